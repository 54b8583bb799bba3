//! Whether a peer that speaks HTTP/2 takes what it was promised: its windows may be shut while its socket is open.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::progress::Outstanding;
use crate::under_way::OneRequest;

/// Data of a response, from the moment at which the service gives it until it is written, or given up.
#[derive(Debug)]
pub(crate) struct Paced<D> {
    data: D,
    outstanding: Outstanding,
    _request: Arc<OneRequest>,
}

impl<D: Buf> Buf for Paced<D> {
    fn remaining(&self) -> usize {
        self.data.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.data.chunk()
    }

    fn advance(&mut self, count: usize) {
        if count > 0 {
            self.outstanding.moved();
        }
        self.data.advance(count);
    }
}

pin_project! {
    /// The body of a response, whose request ends when the last of its data is written.
    #[derive(Debug)]
    pub(crate) struct PacedBody<B> {
        #[pin]
        body: B,
        none: Outstanding,
        request: Arc<OneRequest>,
    }
}

impl<B> PacedBody<B> {
    /// `none` counts nothing itself: a clone of it counts one.
    pub(crate) fn new(body: B, none: Outstanding, request: OneRequest) -> Self {
        Self {
            body,
            none,
            request: Arc::new(request),
        }
    }
}

impl<B: Body> Body for PacedBody<B> {
    type Data = Paced<B::Data>;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let polled = this.body.poll_frame(context);
        polled.map_ok(|frame| {
            frame.map_data(|data| Paced {
                data,
                outstanding: this.none.one_more(),
                _request: Arc::clone(this.request),
            })
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
