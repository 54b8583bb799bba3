//! Bodies that stream inside an identity context.

use std::pin::Pin;
use std::task::{Context, Poll};

use hallpass_token::SecurityContext;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::task_local::sync_scope;

/// Runs every poll of `body` with `context` as the current identity; `None` polls it without identity.
///
/// A server polls a response body after the handler's future has ended, so the scope of the handler
/// does not reach it: work that is done while a body streams needs this wrapper. The resource server
/// layer applies it to the bodies that handlers return.
pub fn body_scope<B: Body>(context: impl Into<Option<SecurityContext>>, body: B) -> ContextBody<B> {
    ContextBody {
        context: context.into(),
        body,
    }
}

pin_project! {
    /// A body whose frames are polled in an identity context; made by [`body_scope`].
    #[derive(Debug)]
    pub struct ContextBody<B> {
        context: Option<SecurityContext>,
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
        sync_scope(this.context.clone(), || this.body.poll_frame(cx))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
