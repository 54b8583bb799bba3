//! A set of tasks that keep the identity of the task that started them.

use std::future::Future;

use tokio::task::{AbortHandle, JoinError};

use super::call_context::CallContext;
use super::lent::lent;
use super::task_local::{InContext, sync_scope_all};

/// `tokio::task::JoinSet` whose tasks run with the identity that is current when they are spawned, and the rest of the [`CallContext`].
///
/// Dropping the set aborts its tasks, as with tokio's. The number of tasks is the caller's to limit.
#[derive(Debug)]
pub struct JoinSet<T> {
    tasks: tokio::task::JoinSet<T>,
}

impl<T> Default for JoinSet<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> JoinSet<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self {
            tasks: tokio::task::JoinSet::new(),
        }
    }

    /// Tasks that have not been joined yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether every task has been joined.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<T: Send + 'static> JoinSet<T> {
    /// Spawns `future` with the current identity.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F>(&mut self, future: F) -> AbortHandle
    where
        F: Future<Output = T> + Send + 'static,
    {
        self.tasks.spawn(future.in_current_context())
    }

    /// Runs `work` on the blocking pool with the current identity.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn_blocking<F>(&mut self, work: F) -> AbortHandle
    where
        F: FnOnce() -> T + Send + 'static,
    {
        let context = CallContext::current();
        self.tasks
            .spawn_blocking(move || lent(|| sync_scope_all(context, work)))
    }

    /// The next task that ends, in order of ending; `None` when the set is empty.
    ///
    /// # Errors
    /// The task panicked or was aborted.
    pub async fn join_next(&mut self) -> Option<Result<T, JoinError>> {
        self.tasks.join_next().await
    }

    /// Aborts every task; they are still joined by [`JoinSet::join_next`].
    pub fn abort_all(&mut self) {
        self.tasks.abort_all();
    }

    /// Aborts every task and waits until all have ended.
    pub async fn shutdown(&mut self) {
        self.tasks.shutdown().await;
    }

    /// Lets the tasks run on without the set. They keep their identity.
    pub fn detach_all(&mut self) {
        self.tasks.detach_all();
    }
}
