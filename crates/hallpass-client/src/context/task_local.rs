//! The task-local: who sets it, who reads it, and for how long it stands.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use hallpass_token::SecurityContext;
use pin_project_lite::pin_project;
use tokio::task::JoinHandle;
use tokio::task::futures::TaskLocalFuture;

use super::call_context::CallContext;
use super::lent::lent;

tokio::task_local! {
    /// One without identity is a scope without identity: it hides an outer one.
    static CURRENT: CallContext;
}

/// The identity of the current work, or `None` outside any [`scope`] (and inside a scope of `None`).
///
/// Costs one thread-local read and one reference count. Expiry is not checked here.
#[must_use]
pub fn current() -> Option<SecurityContext> {
    CURRENT
        .try_with(|context| context.identity.clone())
        .ok()
        .flatten()
}

impl CallContext {
    /// That of the current work; an empty one outside any [`scope`].
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }
}

/// Runs `future` with `identity` as the [`current`] one; `None` runs it without identity.
///
/// Nothing of the user around it is inside, and all that is of the work: see [`CallContext::for_another`].
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
pub fn scope<F: Future>(identity: impl Into<Option<SecurityContext>>, future: F) -> WithContext<F> {
    scope_all(CallContext::current().for_another(identity), future)
}

/// Runs `future` with `context` as the whole of what is current, like [`scope`]; nothing of what is around it is inside.
pub fn scope_all<F: Future>(context: CallContext, future: F) -> WithContext<F> {
    WithContext {
        inner: CURRENT.scope(context, future),
    }
}

/// Runs `work` at once with `identity` as the [`current`] one; `None` runs it without identity. See [`scope`].
pub fn sync_scope<R>(identity: impl Into<Option<SecurityContext>>, work: impl FnOnce() -> R) -> R {
    sync_scope_all(CallContext::current().for_another(identity), work)
}

/// Runs `work` at once with `context` as the whole of what is current. See [`scope_all`].
pub fn sync_scope_all<R>(context: CallContext, work: impl FnOnce() -> R) -> R {
    CURRENT.sync_scope(context, work)
}

/// `tokio::spawn` that carries the [`current`] identity, and the rest of the [`CallContext`], over to the new task.
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
    tokio::spawn(scope_all(CallContext::current(), future))
}

/// `tokio::task::spawn_blocking` that carries the [`CallContext`] over to the pool thread for the
/// length of `work`. The thread keeps nothing of it afterwards.
///
/// # Panics
/// As `tokio::task::spawn_blocking`: outside a tokio runtime.
pub fn spawn_blocking<F, R>(work: F) -> JoinHandle<R>
where
    F: FnOnce() -> R + Send + 'static,
    R: Send + 'static,
{
    let context = CallContext::current();
    tokio::task::spawn_blocking(move || lent(|| sync_scope_all(context, work)))
}

/// Spawns work that outlives the request and must not act for its user: it runs without identity, and without the request's deadline.
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
    tokio::spawn(scope_all(CallContext::current().detached(), future))
}

/// Puts a future into an identity context: `future.in_context(context)` reads better than
/// [`scope`]`(context, future)` at the end of a chain.
pub trait InContext: Future + Sized {
    /// See [`scope`].
    fn in_context(self, identity: impl Into<Option<SecurityContext>>) -> WithContext<Self> {
        scope(identity, self)
    }

    /// Keeps the [`CallContext`] that is current now, wherever the future is polled later
    /// (for runtimes and pools that this module has no helper for).
    fn in_current_context(self) -> WithContext<Self> {
        scope_all(CallContext::current(), self)
    }
}

impl<F: Future> InContext for F {}

pin_project! {
    /// A future that runs in an identity context; made by [`scope`], [`scope_all`] and [`InContext`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct WithContext<F> {
        #[pin]
        inner: TaskLocalFuture<CallContext, F>,
    }
}

impl<F: Future> Future for WithContext<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().inner.poll(cx)
    }
}
