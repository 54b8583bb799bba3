//! Bodies that end with the token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{StreamEnd, TokenEnd};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

pin_project! {
    /// A body that ends with an error, [`StreamEnd`], when the token of its request ends or is taken back. So its reader can tell it from a
    /// complete one: a server closes the connection without the end of a chunked body (RFC 9112 section 8), or before all bytes of one
    /// that said its length.
    ///
    /// The layer puts one around the body of each request that it lets pass and of each response. A body that is there at once costs nothing.
    pub struct EndingBody<B> {
        #[pin]
        body: Option<B>,
        end: TokenEnd,
        is_upload: bool,
        // A body of one frame is never looked at again.
        has_begun: bool,
        ended: Option<Pin<Box<dyn Future<Output = StreamEnd> + Send>>>,
    }
}

impl<B> EndingBody<B> {
    /// `body`, until `end`.
    pub fn new(body: B, end: TokenEnd) -> Self {
        Self {
            body: Some(body),
            end,
            is_upload: false,
            has_begun: false,
            ended: None,
        }
    }

    /// The same of a request: [`Authorized::cut_off`](crate::Authorized::cut_off) then says why it ended.
    pub fn of_request(body: B, end: TokenEnd) -> Self {
        Self {
            is_upload: true,
            ..Self::new(body, end)
        }
    }
}

impl<B> Body for EndingBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else {
            return Poll::Ready(None);
        };
        let polled = match poll_ended(this.ended, cx) {
            Poll::Ready(end) => Poll::Ready(Err(end)),
            Poll::Pending => body.poll_frame(cx).map(Ok),
        };
        let polled = match polled {
            // From now on it is looked at, and the task is woken for it.
            Poll::Pending if this.ended.is_none() && this.end.is_watched() => {
                *this.ended = Some(watch(this.end.clone()));
                poll_ended(this.ended, cx).map(Err)
            }
            Poll::Ready(Ok(frame)) => {
                let goes_on = matches!(frame, Some(Ok(_))) && this.end.is_watched();
                if goes_on && *this.has_begun && this.ended.is_none() {
                    *this.ended = Some(watch(this.end.clone()));
                }
                *this.has_begun = true;
                Poll::Ready(Ok(frame))
            }
            polled => polled,
        };
        polled.map(|polled| match polled {
            Ok(frame) => frame.map(|frame| frame.map_err(Into::into)),
            Err(end) => {
                // What it holds is let go of at once.
                this.body.set(None);
                if *this.is_upload {
                    this.end.cut_upload(end);
                }
                Some(Err(end.into()))
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_some_and(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

fn watch(end: TokenEnd) -> Pin<Box<dyn Future<Output = StreamEnd> + Send>> {
    Box::pin(async move { end.ended().await })
}

fn poll_ended(
    ended: &mut Option<Pin<Box<dyn Future<Output = StreamEnd> + Send>>>,
    cx: &mut Context<'_>,
) -> Poll<StreamEnd> {
    match ended {
        Some(ended) => ended.as_mut().poll(cx),
        None => Poll::Pending,
    }
}

impl<B: fmt::Debug> fmt::Debug for EndingBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EndingBody")
            .field("body", &self.body)
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}
