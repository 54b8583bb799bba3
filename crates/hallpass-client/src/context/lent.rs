//! Threads that may block: those of the pool for it, while work runs on them that this module has put there.

use std::cell::RefCell;

use tokio::runtime::Handle;

thread_local! {
    /// The runtime whose pool has lent this thread to the work that runs on it.
    static LENT_BY: RefCell<Option<Handle>> = const { RefCell::new(None) };
}

/// Runs `work` as one that may block the thread, which is of the pool of the current runtime.
pub(super) fn lent<R>(work: impl FnOnce() -> R) -> R {
    let before = LENT_BY.replace(Handle::try_current().ok());
    // Taken back also when the work panics: the pool uses the thread for other work.
    let _taken_back = GiveBack(before);
    work()
}

/// Runs `wait` with the runtime that has lent this thread; `None` when none has. While it runs the thread counts as not lent: what is
/// waited for is on an event loop.
pub(super) fn waiting<R>(wait: impl FnOnce(&Handle) -> R) -> Option<R> {
    let lent_by = LENT_BY.take()?;
    let given_back = GiveBack(Some(lent_by.clone()));
    let result = wait(&lent_by);
    drop(given_back);
    Some(result)
}

/// Sets what the thread is lent by when it is dropped.
struct GiveBack(Option<Handle>);

impl Drop for GiveBack {
    fn drop(&mut self) {
        LENT_BY.set(self.0.take());
    }
}
