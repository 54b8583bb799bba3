//! The task-local: who sets it, who reads it, and for how long it stands.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hallpass_token::SecurityContext;
use pin_project_lite::pin_project;
use tokio::task::JoinHandle;
use tokio::task::futures::TaskLocalFuture;

tokio::task_local! {
    /// `Some(None)` is a scope without identity: it hides an outer one.
    static CURRENT: Option<SecurityContext>;
}

/// The identity of the current work, or `None` outside any [`scope`] (and inside a scope of `None`).
///
/// Costs one thread-local read and one reference count. Expiry is not checked here.
#[must_use]
pub fn current() -> Option<SecurityContext> {
    CURRENT.try_with(Clone::clone).ok().flatten()
}

/// Runs `future` with `context` as the [`current`] identity; `None` runs it without identity.
///
/// The identity is present while `future` is polled and while it is dropped, and at no other time.
///
/// ```
/// use hallpass_client::context::{current, scope, spawn};
/// use hallpass_token::SecurityContext;
///
/// async fn handle(caller: SecurityContext) -> bool {
///     scope(caller, async {
///         let here = current().is_some();
///         let in_a_task = spawn(async { current().is_some() }).await.unwrap_or(false);
///         here && in_a_task
///     })
///     .await
/// }
/// ```
pub fn scope<F: Future>(context: impl Into<Option<SecurityContext>>, future: F) -> WithContext<F> {
    WithContext {
        inner: CURRENT.scope(context.into(), future),
    }
}

/// Runs `work` at once with `context` as the [`current`] identity; `None` runs it without identity.
pub fn sync_scope<R>(context: impl Into<Option<SecurityContext>>, work: impl FnOnce() -> R) -> R {
    CURRENT.sync_scope(context.into(), work)
}

/// `tokio::spawn` that carries the [`current`] identity over to the new task.
///
/// ```
/// use hallpass_client::context::{current, spawn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In a handler this is the caller; outside a request it is `None`.
/// let subject = spawn(async { current().map(|caller| caller.subject().to_string()) }).await?;
/// assert_eq!(subject, None);
/// # Ok(()) }
/// ```
///
/// # Panics
/// As `tokio::spawn`: outside a tokio runtime.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(scope(current(), future))
}

/// `tokio::task::spawn_blocking` that carries the [`current`] identity over to the pool thread for the
/// length of `work`. The thread keeps nothing of it afterwards.
///
/// # Panics
/// As `tokio::task::spawn_blocking`: outside a tokio runtime.
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let context = current();
    tokio::task::spawn_blocking(move || sync_scope(context, work))
}

/// Spawns work that outlives the request and must not act for its user: it runs without identity.
///
/// The same as a raw `tokio::spawn`, but says that the loss is meant.
///
/// # Panics
/// As `tokio::spawn`: outside a tokio runtime.
pub fn detach<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    tokio::spawn(scope(None, future))
}

/// Puts a future into an identity context: `future.in_context(context)` reads better than
/// [`scope`]`(context, future)` at the end of a chain.
pub trait InContext: Future + Sized {
    /// See [`scope`].
    fn in_context(self, context: impl Into<Option<SecurityContext>>) -> WithContext<Self> {
        scope(context, self)
    }

    /// Keeps the identity that is [`current`] now, wherever the future is polled later
    /// (for runtimes and pools that this module has no helper for).
    fn in_current_context(self) -> WithContext<Self> {
        scope(current(), self)
    }
}

impl<F: Future> InContext for F {}

pin_project! {
    /// A future that runs in an identity context; made by [`scope`] and [`InContext`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct WithContext<F> {
        #[pin]
        inner: TaskLocalFuture<Option<SecurityContext>, F>,
    }
}

impl<F: Future> Future for WithContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}
