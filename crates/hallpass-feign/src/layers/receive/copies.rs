//! Copies of a service for those who call it at the same moment.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};

/// More threads than this share copies.
const COPIES: usize = 8;

/// A service is called by whoever has it for himself. A copy for each call would count references of each of its parts up and down, in
/// memory that all threads write to; so each thread has one, as far as they suffice.
#[derive(Debug)]
pub(super) struct Copies<S> {
    copies: [Mutex<S>; COPIES],
}

impl<S> Copies<S> {
    pub(super) fn of(service: &S) -> Self
    where
        S: Clone,
    {
        Self {
            copies: std::array::from_fn(|_| Mutex::new(service.clone())),
        }
    }

    /// One, for a few instructions and never across an await; none while another thread has it, or after a panic in it.
    pub(super) fn lend(&self) -> Option<MutexGuard<'_, S>> {
        let own = self.copies.get(number_of_thread() % COPIES)?;
        own.try_lock().ok()
    }
}

/// Counts the threads that call.
fn number_of_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        // Relaxed: two threads with one number would share a copy, no more.
        static OWN: usize = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    OWN.with(|own| *own)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_calls_while_another_has_the_copy_gets_none_and_waits_for_nobody() {
        let copies = Copies::of(&"service");
        let first = copies.lend();
        assert_eq!(first.as_deref(), Some(&"service"));
        assert!(copies.lend().is_none());
        drop(first);
        assert!(copies.lend().is_some());
    }
}
