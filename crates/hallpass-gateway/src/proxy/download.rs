//! The body of a response on its way to the caller: handed on as it comes, with a limit to its pauses.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hallpass_upstream::{Body, BoxError};
use http_body::{Body as HttpBody, Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use tokio::time::Sleep;

use super::caller_places::HeldPlaces;
use super::pause::Pause;
use super::trailers::clean_response;
use super::upstreams::ServiceState;

/// Why a response was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DownloadFault {
    /// The upstream paused for too long.
    #[error("the upstream paused for too long")]
    TooSlow,
    /// The time of the whole request is over.
    #[error("the response took longer than the request may take")]
    TooLong,
}

impl DownloadFault {
    /// Its name in metrics.
    const fn as_str(self) -> &'static str {
        match self {
            Self::TooSlow => "pause",
            Self::TooLong => "total",
        }
    }
}

/// The body of an upstream's response.
pub(crate) struct Download {
    body: Body,
    /// Until the body has ended.
    places: Option<HeldPlaces>,
    pause: Pause,
    has_trailers: bool,
    /// When the time of the whole request is over.
    end: Option<Pin<Box<Sleep>>>,
    bytes: u64,
    counter: Counter,
    service: Arc<ServiceState>,
}

impl Download {
    /// `counter`: of its bytes.
    pub(crate) fn new(
        (body, places): (Body, HeldPlaces),
        pause: Pause,
        counter: Counter,
        service: &Arc<ServiceState>,
    ) -> Self {
        Self {
            // One that is not there needs nobody to wait for it.
            places: Some(places).filter(|_| !body.is_end_stream()),
            body,
            pause,
            has_trailers: false,
            end: None,
            bytes: 0,
            counter,
            service: Arc::clone(service),
        }
    }

    /// Trailers go on.
    pub(crate) fn with_trailers(mut self) -> Self {
        self.has_trailers = true;
        self
    }

    /// It ends by then.
    pub(crate) fn until(mut self, end: Sleep) -> Self {
        self.end = Some(Box::pin(end));
        self
    }

    fn fail(&mut self, fault: DownloadFault) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        tracing::debug!(%fault, "a response was cut off");
        self.service.counters.cut(fault.as_str());
        self.body = Body::empty();
        self.places = None;
        Poll::Ready(Some(Err(fault.into())))
    }
}

impl HttpBody for Download {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if let Some(end) = &mut this.end
            && end.as_mut().poll(context).is_ready()
        {
            return this.fail(DownloadFault::TooLong);
        }
        loop {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(context) else {
                if this.pause.goes_on(context).is_pending() {
                    return Poll::Pending;
                }
                return this.fail(DownloadFault::TooSlow);
            };
            this.pause.ends();
            let frame = match frame {
                Some(Ok(frame)) => frame,
                ended => {
                    if let Some(Err(error)) = &ended {
                        tracing::debug!(%error, "a response broke off");
                        this.service.counters.cut("upstream");
                    }
                    this.places = None;
                    return Poll::Ready(ended);
                }
            };
            match frame.into_data() {
                Ok(data) => {
                    this.bytes += data.len() as u64;
                    if this.body.is_end_stream() {
                        this.places = None;
                    }
                    return Poll::Ready(Some(Ok(Frame::data(data))));
                }
                Err(frame) => {
                    if let Ok(mut trailers) = frame.into_trailers()
                        && this.has_trailers
                    {
                        clean_response(&mut trailers);
                        return Poll::Ready(Some(Ok(Frame::trailers(trailers))));
                    }
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Download {
    fn drop(&mut self) {
        self.counter.inc_by(self.bytes);
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("body", &self.body)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}
