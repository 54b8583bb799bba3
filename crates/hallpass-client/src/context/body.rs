//! Bodies that stream inside an identity context.

use std::pin::Pin;
use std::task::{Context, Poll};

use hallpass_token::SecurityContext;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::call_context::CallContext;
use super::task_local::sync_scope_all;

/// Runs every poll of `body` with `identity` as the current one; `None` polls it without identity. Nothing else of the user
/// around is inside: see [`scope`](super::scope).
///
/// A server polls a response body after the handler's future has ended, so the scope of the handler
/// does not reach it: work that is done while a body streams needs this wrapper. The resource server
/// layer applies it to the bodies that handlers return.
///
/// The body of an upload is polled by the task of its connection: the call layer wraps those of its calls, and who sends requests without it
/// does so itself.
pub fn body_scope<B: Body>(
    identity: impl Into<Option<SecurityContext>>,
    body: B,
) -> ContextBody<B> {
    body_scope_all(CallContext::current().for_another(identity), body)
}

/// Runs every poll of `body` with `context` as the whole of what is current. See [`body_scope`].
pub fn body_scope_all<B: Body>(context: CallContext, body: B) -> ContextBody<B> {
    ContextBody { context, body }
}

pin_project! {
    /// A body whose frames are polled in an identity context; made by [`body_scope`] and [`body_scope_all`].
    #[derive(Debug)]
    pub struct ContextBody<B> {
        context: CallContext,
        #[pin]
        body: B,
    }
}

impl<B: Body> Body for ContextBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        sync_scope_all(this.context.clone(), || this.body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
