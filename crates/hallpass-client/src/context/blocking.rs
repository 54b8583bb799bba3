//! Calls from code that blocks its thread.

use std::future::Future;

use tokio::runtime::Handle;

use super::call_context::CallContext;
use super::lent::waiting;
use super::task_local::scope_all;

/// Runs a future to its end on a thread that may block: inside `spawn_blocking` of this module, for whoever the work there is done.
///
/// ```
/// use hallpass_client::context::{blocking, current, spawn_blocking};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// async fn call() -> u8 {
///     7
/// }
/// let answer = spawn_blocking(|| blocking::wait(call())).await??;
/// assert_eq!(answer, 7);
/// assert!(blocking::wait(call()).is_err(), "this thread runs an event loop");
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`BlockingError::OnEventLoop`] everywhere else where there is a runtime, tokio's own `spawn_blocking` included, which carries no
/// identity either: nothing tells it from a thread that drives a runtime, and that one would wait for itself.
/// [`BlockingError::NoRuntime`] on a thread of one's own; see [`Blocking`].
pub fn wait<F: Future>(future: F) -> Result<F::Output, BlockingError> {
    let Ok(here) = Handle::try_current() else {
        return Err(BlockingError::NoRuntime);
    };
    let context = CallContext::current();
    let waited = waiting(|lent_by| {
        // Another one is a runtime that the work has made, and drives.
        let is_free = here.id() == lent_by.id();
        is_free.then(|| lent_by.block_on(scope_all(context, future)))
    });
    waited.flatten().ok_or(BlockingError::OnEventLoop)
}

/// A way back from a thread of one's own (rayon, `std::thread`, any pool) to the runtime and the caller that it was made for.
///
/// ```
/// use hallpass_client::context::blocking::Blocking;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// async fn call() -> u8 {
///     7
/// }
/// let blocking = Blocking::capture()?;
/// let (answer, answered) = tokio::sync::oneshot::channel();
/// std::thread::spawn(move || answer.send(blocking.wait(call())));
/// assert_eq!(answered.await??, 7);
/// # Ok(())
/// # }
/// ```
///
/// **What it does not do**: it does not keep a runtime of one thread going. While that thread waits for the other one, by `join` say,
/// nothing of a call moves on, not even its deadline.
#[derive(Clone, Debug)]
pub struct Blocking {
    runtime: Handle,
    context: CallContext,
}

impl Blocking {
    /// For the current runtime and whoever the current work is done for.
    ///
    /// # Errors
    /// [`BlockingError::NoRuntime`] outside of one.
    pub fn capture() -> Result<Self, BlockingError> {
        let runtime = Handle::try_current().map_err(|_| BlockingError::NoRuntime)?;
        Ok(Self {
            runtime,
            context: CallContext::current(),
        })
    }

    /// Runs a future to its end, for the caller that was captured.
    ///
    /// # Errors
    /// [`BlockingError::OnEventLoop`] on a thread that a runtime uses, but for those of `spawn_blocking` of this module.
    pub fn wait<F: Future>(&self, future: F) -> Result<F::Output, BlockingError> {
        let future = scope_all(self.context.clone(), future);
        match Handle::try_current() {
            Ok(_) => wait(future),
            Err(_) => Ok(self.runtime.block_on(future)),
        }
    }
}

/// Why a call was not waited for. It was not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BlockingError {
    /// The thread drives a runtime, or may: it would wait for itself.
    #[error(
        "this thread may run an event loop, which a blocking call would stop: move the work to `hallpass::spawn_blocking`, or await the call"
    )]
    OnEventLoop,
    /// The thread belongs to no runtime.
    #[error("this thread belongs to no runtime: make a `Blocking` in one and take it along")]
    NoRuntime,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use hallpass_token::{AccessToken, SecurityContext, TokenClaims, UnixTime, VerifiedClaims};

    use super::*;
    use crate::context::{JoinSet, current, scope, spawn_blocking};

    fn anna() -> SecurityContext {
        let claims = TokenClaims::new(
            "internal".parse().unwrap(),
            "anna".parse().unwrap(),
            "order-service".parse().unwrap(),
            UnixTime::from_secs(9),
        );
        SecurityContext::new(
            VerifiedClaims::dangerous_unverified(claims),
            AccessToken::new("token-of-anna"),
        )
    }

    /// A call that takes a moment, and says for whom it was made.
    async fn call() -> Option<String> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        current().map(|caller| caller.subject().to_string())
    }

    fn of_anna() -> Result<Option<String>, BlockingError> {
        Ok(Some("anna".to_owned()))
    }

    #[tokio::test(flavor = "current_thread")]
    async fn blocking_callers_keep_their_user() {
        let calls = async {
            let alone = spawn_blocking(|| wait(call())).await.unwrap();
            let mut tasks = JoinSet::new();
            tasks.spawn_blocking(|| wait(call()));
            let of_set = tasks.join_next().await.unwrap().unwrap();
            (alone, of_set)
        };
        let (alone, of_set) = scope(anna(), calls).await;
        assert_eq!((alone, of_set), (of_anna(), of_anna()));
        assert_eq!(spawn_blocking(|| wait(call())).await.unwrap(), Ok(None));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_blocking_call_on_an_event_loop_of_one_thread_is_an_error_and_no_hang() {
        assert_eq!(wait(call()), Err(BlockingError::OnEventLoop));
        let blocking = Blocking::capture().unwrap();
        assert_eq!(blocking.wait(call()), Err(BlockingError::OnEventLoop));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_blocking_call_on_an_event_loop_is_an_error_and_no_hang() {
        assert_eq!(wait(call()), Err(BlockingError::OnEventLoop));
        let task = tokio::spawn(async { wait(call()) });
        assert_eq!(task.await.unwrap(), Err(BlockingError::OnEventLoop));
        // The thread has no identity there, and is not told from an event loop.
        let raw = tokio::task::spawn_blocking(|| wait(call())).await.unwrap();
        assert_eq!(raw, Err(BlockingError::OnEventLoop));
    }

    #[tokio::test(flavor = "current_thread")]
    async fn inside_what_is_waited_for_and_in_a_runtime_of_the_works_own_nobody_waits_again() {
        let nested = spawn_blocking(|| wait(async { wait(call()) }));
        let expected = Ok(Err(BlockingError::OnEventLoop));
        assert_eq!(nested.await.unwrap(), expected);
        let other = spawn_blocking(|| {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.build().unwrap();
            let inside = runtime.block_on(async { wait(async {}) });
            (inside, wait(call()).is_ok())
        });
        let expected = (Err(BlockingError::OnEventLoop), true);
        assert_eq!(other.await.unwrap(), expected);
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_pool_thread_is_lent_for_one_work_alone_though_it_panics() {
        for _ in 0..4 {
            let panicked = spawn_blocking(|| panic!("as planned")).await;
            assert!(panicked.is_err());
            let raw = tokio::task::spawn_blocking(|| wait(call())).await.unwrap();
            assert_eq!(raw, Err(BlockingError::OnEventLoop));
        }
    }

    #[tokio::test(flavor = "current_thread")]
    async fn a_thread_of_ones_own_takes_runtime_and_caller_along() {
        assert_eq!(
            std::thread::spawn(|| wait(async {})).join().unwrap(),
            Err(BlockingError::NoRuntime)
        );
        let blocking = scope(anna(), async { Blocking::capture().unwrap() }).await;
        let (answer, answered) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || answer.send(blocking.wait(call())));
        assert_eq!(answered.await.unwrap(), of_anna());
        let outside = std::thread::spawn(|| Blocking::capture().map(drop));
        assert_eq!(outside.join().unwrap(), Err(BlockingError::NoRuntime));
    }
}
