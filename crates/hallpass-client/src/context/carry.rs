//! Work that runs where tokio's task-locals do not reach: threads, other pools, callbacks.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::MissedTickBehavior;

use super::call_context::CallContext;
use super::task_local::{WithContext, scope_all, sync_scope_all};

/// `work`, which will run in the [`CallContext`] that is current now, on whichever thread: of rayon, of another pool, one of its own.
///
/// **On a pool that steals work**, as rayon's does, a job that waits there (`join`, a nested `par_iter`, `scope`, `yield_now`) lends its thread to any
/// other job of the pool meanwhile: one that nothing is around then finds whoever waits. So hand every job of such a pool over by this,
/// [`carry_each`] or [`carry_nobody`]: what is around it counts, wherever it runs.
///
/// ```
/// use hallpass_client::context::carry;
///
/// // In a handler, `work` finds the caller on the other thread.
/// let work = carry(|| hallpass_client::context::current().is_some());
/// let found = std::thread::spawn(work).join();
/// assert!(!found.unwrap_or(true), "here is no caller");
/// ```
pub fn carry<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let context = CallContext::current();
    move || sync_scope_all(context, work)
}

/// `work`, which will run in nobody's name and for no request, on whichever thread and whoever waits there. See [`carry`].
pub fn carry_nobody<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    move || sync_scope_all(CallContext::default(), work)
}

/// The same as [`carry`] for what runs many times: `items.par_iter().map(carry_each(|item| ...))`.
pub fn carry_each<A, R>(work: impl Fn(A) -> R) -> impl Fn(A) -> R {
    let context = CallContext::current();
    move |item| sync_scope_all(context.clone(), || work(item))
}

/// The same for a callback that gives a future, both of which run in the [`CallContext`] that is current now:
/// `upgrade.on_upgrade(carry_async(|socket| ...))`.
///
/// `in_current_context` **inside** such a callback is too late: it runs in a task that the server has spawned, where nobody is current.
pub fn carry_async<A, F: Future>(work: impl FnOnce(A) -> F) -> impl FnOnce(A) -> WithContext<F> {
    let context = CallContext::current();
    move |item| {
        let future = sync_scope_all(context.clone(), || work(item));
        scope_all(context, future)
    }
}

/// Runs `future` in nobody's name and for no request, in the same task: what is fetched once for all who wait must neither be fetched as one of
/// them nor end with his deadline. Its trace goes on.
pub fn without_identity<F: Future>(future: F) -> WithContext<F> {
    scope_all(CallContext::current().detached(), future)
}

/// Runs `job` every `period` (a millisecond at least) in a task of its own, always without identity: no user waits for it. The first time is after one
/// period; one that takes longer than that is not run twice at once.
///
/// A job that fails or panics is logged as an error and runs again. It ends with the [`Job`].
///
/// # Panics
/// As `tokio::spawn`: outside a tokio runtime.
pub fn every<F, E>(period: Duration, mut job: impl FnMut() -> F + Send + 'static) -> Job
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let period = period.max(Duration::from_millis(1));
    let runs = async move {
        let mut times = tokio::time::interval_at(tokio::time::Instant::now() + period, period);
        times.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            times.tick().await;
            // In a task of its own, so that one that panics is not the last.
            let mut run = AbortOnDrop(tokio::spawn(scope_all(CallContext::default(), job())));
            match (&mut run.0).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "a scheduled job has failed"),
                Err(error) => tracing::error!(%error, "a scheduled job has panicked"),
            }
        }
    };
    Job(tokio::spawn(scope_all(CallContext::default(), runs)).abort_handle())
}

/// A job that runs by [`every`], until this is dropped.
#[derive(Debug)]
#[must_use = "the job ends when this is dropped"]
pub struct Job(AbortHandle);

impl Drop for Job {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A run ends with its job.
struct AbortOnDrop<T>(JoinHandle<T>);

impl<T> Drop for AbortOnDrop<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}
