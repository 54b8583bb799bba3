//! The body of a request on its way to an upstream: within its limit, not too slow, and no longer than the token of its request.
//!
//! Nothing of it is read before an upstream takes it, so that nothing is sent on before everything about the request is decided; and until then it
//! can be handed to another upstream.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hallpass_resource::{EndingBody, TokenEnd};
use hallpass_upstream::{Body, BoxError};
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::head::Framing;
use super::pause::Pause;
use super::trailers::TrailerRules;

/// What a body has to keep to.
#[derive(Clone, Debug)]
pub(crate) struct UploadRules {
    /// Most bytes.
    pub(crate) limit: u64,
    /// Longest pause.
    pub(crate) idle: Duration,
    /// The trailers go on, as far as these say; `None`: they do not.
    pub(crate) trailers: Option<TrailerRules>,
}

/// Why a body was ended before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UploadFault {
    /// More bytes than allowed.
    #[error("the body is larger than allowed")]
    TooLarge,
    /// Its sender paused for too long.
    #[error("the body came too slowly")]
    TooSlow,
    /// Its sender has gone, or does not keep to its own framing.
    #[error("the body ended early")]
    Broken,
}

/// A body, for all attempts to send it.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    shared: Arc<Shared>,
    rules: UploadRules,
    framing: Framing,
    end: TokenEnd,
}

#[derive(Debug)]
struct Shared {
    /// Until somebody reads it.
    unread: Mutex<Option<Incoming>>,
    /// What is left of one that was too large: its sender is to see the response.
    rest: Mutex<Option<Incoming>>,
    fault: OnceLock<UploadFault>,
    /// Since when its sender is waited for, in microseconds since `began`, and one; 0: nobody waits for him.
    waits_since: AtomicU64,
    /// For how long he was waited for before, in microseconds.
    waited: AtomicU64,
    /// When the last part came, in microseconds since `began`.
    last: AtomicU64,
    began: Instant,
    bytes: AtomicU64,
}

impl Upload {
    pub(crate) fn new(
        body: Incoming,
        framing: Framing,
        rules: UploadRules,
        end: &TokenEnd,
    ) -> Self {
        Self {
            shared: Arc::new(Shared {
                unread: Mutex::new(Some(body)),
                rest: Mutex::new(None),
                fault: OnceLock::new(),
                waits_since: AtomicU64::new(0),
                waited: AtomicU64::new(0),
                last: AtomicU64::new(0),
                began: Instant::now(),
                bytes: AtomicU64::new(0),
            }),
            rules,
            framing,
            end: end.clone(),
        }
    }

    /// The body for one attempt.
    pub(crate) fn body(&self) -> Body {
        let sent = Sent {
            upload: self.clone(),
            body: None,
            bytes: 0,
            pause: Pause::new(self.rules.idle),
        };
        Body::wrap(EndingBody::of_request(sent, self.end.clone()))
    }

    /// Whether nothing of it was read, so that another attempt can send all of it.
    pub(crate) fn is_unread(&self) -> bool {
        self.shared.unread().is_some()
    }

    /// What is still to be read of it, and nobody wants any more.
    pub(crate) fn take_rest(&self) -> Option<Incoming> {
        let unread = self.shared.unread().take();
        unread.or_else(|| {
            self.shared
                .rest
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take()
        })
    }

    /// Why it was ended, if it was: then no fault of the upstream's counts.
    pub(crate) fn fault(&self) -> Option<UploadFault> {
        self.shared.fault.get().copied()
    }

    /// How many bytes were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.bytes.load(Ordering::Relaxed)
    }

    /// When it last moved; that is now while its sender pauses, which has a limit of its own.
    pub(crate) fn moved_at(&self) -> Instant {
        if self.waits_for_sender() {
            return Instant::now();
        }
        let last = Duration::from_micros(self.shared.last.load(Ordering::Relaxed));
        self.shared.began + last
    }

    /// Whether whoever reads it has all that has come, and waits for more.
    pub(crate) fn waits_for_sender(&self) -> bool {
        self.shared.waits_since.load(Ordering::Relaxed) > 0
    }

    /// How long its sender has kept its reader waiting: no time that the upstream has taken.
    pub(crate) fn pauses(&self) -> Duration {
        let waited = self.shared.waited.load(Ordering::Relaxed);
        let now = self.shared.pause_until_now();
        Duration::from_micros(waited.saturating_add(now))
    }
}

impl Shared {
    fn unread(&self) -> std::sync::MutexGuard<'_, Option<Incoming>> {
        self.unread.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // One body at a time reads, so each number has one writer. Relaxed: no other memory depends on them.
    fn moved(&self) {
        let pause = self.pause_until_now();
        if pause > 0 {
            self.waited.fetch_add(pause, Ordering::Relaxed);
        }
        self.waits_since.store(0, Ordering::Relaxed);
        self.last.store(self.age(), Ordering::Relaxed);
    }

    /// Its sender has to be waited for.
    fn pauses(&self) {
        if self.waits_since.load(Ordering::Relaxed) == 0 {
            let now = self.age().saturating_add(1);
            self.waits_since.store(now, Ordering::Relaxed);
        }
    }

    /// For how long its sender is waited for now, in microseconds.
    fn pause_until_now(&self) -> u64 {
        let since = self.waits_since.load(Ordering::Relaxed).checked_sub(1);
        since.map_or(0, |since| self.age().saturating_sub(since))
    }

    /// In microseconds.
    fn age(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}

/// The body of one attempt.
#[derive(Debug)]
struct Sent {
    upload: Upload,
    /// From the first look on.
    body: Option<Incoming>,
    bytes: u64,
    pause: Pause,
}

impl Sent {
    fn fail(&mut self, fault: UploadFault) -> BoxError {
        let shared = &self.upload.shared;
        let _first = shared.fault.set(fault);
        let body = self.body.take();
        if fault == UploadFault::TooLarge {
            *shared.rest.lock().unwrap_or_else(PoisonError::into_inner) = body;
        }
        fault.into()
    }

    fn judge(&mut self, frame: Frame<Bytes>) -> Result<Option<Frame<Bytes>>, UploadFault> {
        match frame.into_data() {
            Ok(data) => {
                self.bytes = self.bytes.saturating_add(data.len() as u64);
                self.upload
                    .shared
                    .bytes
                    .store(self.bytes, Ordering::Relaxed);
                match self.bytes > self.upload.rules.limit {
                    true => Err(UploadFault::TooLarge),
                    false => Ok(Some(Frame::data(data))),
                }
            }
            Err(frame) => {
                let Some(rules) = &self.upload.rules.trailers else {
                    return Ok(None);
                };
                Ok(frame.into_trailers().ok().map(|mut trailers| {
                    rules.clean(&mut trailers);
                    Frame::trailers(trailers)
                }))
            }
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = &mut *self;
        if this.body.is_none() {
            this.body = this.upload.shared.unread().take();
        }
        loop {
            let Some(body) = &mut this.body else {
                // Somebody else has read it, or it was ended: nobody may take that for the whole.
                return Poll::Ready(Some(Err(UploadFault::Broken.into())));
            };
            let Poll::Ready(frame) = Pin::new(body).poll_frame(context) else {
                if this.pause.goes_on(context).is_pending() {
                    this.upload.shared.pauses();
                    return Poll::Pending;
                }
                return Poll::Ready(Some(Err(this.fail(UploadFault::TooSlow))));
            };
            this.pause.ends();
            this.upload.shared.moved();
            match frame {
                None => return Poll::Ready(None),
                Some(Err(error)) => {
                    tracing::debug!(%error, "the body of a request broke off");
                    return Poll::Ready(Some(Err(this.fail(UploadFault::Broken))));
                }
                Some(Ok(frame)) => match this.judge(frame) {
                    Ok(Some(frame)) => return Poll::Ready(Some(Ok(frame))),
                    // Trailers that nobody wants.
                    Ok(None) => {}
                    Err(fault) => return Poll::Ready(Some(Err(this.fail(fault)))),
                },
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_some_and(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        match self.upload.framing {
            Framing::NoBody => SizeHint::with_exact(0),
            Framing::Length(length) => SizeHint::with_exact(length.saturating_sub(self.bytes)),
            Framing::Unknown => SizeHint::default(),
        }
    }
}

/// Most bytes that are read of a body that nobody wants, and for how long: who still writes would not see why otherwise.
const MAX_DRAINED_BYTES: u64 = 256 * 1024;
const MAX_DRAIN: Duration = Duration::from_secs(1);

/// Reads what is left of a body that nobody wants, for a while, so that its sender sees the response rather than a connection that is reset.
pub(crate) fn drain(mut body: Incoming) {
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(tokio::time::timeout(MAX_DRAIN, async move {
        let mut bytes = 0;
        while let Some(Ok(frame)) =
            std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await
        {
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > MAX_DRAINED_BYTES {
                break;
            }
        }
    }));
}
