//! The trace that the current work belongs to (W3C Trace Context).

mod method;
mod state;
mod trust;

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;

use bytes::Bytes;
use hallpass_config::Percent;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::few_headers::find_header;
use crate::random::{random_below, random_id};
use state::TRACESTATE;

pub use method::traced_method;
pub use trust::TrustSampled;

/// `traceparent`, by which a call says which trace it belongs to.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Where the names stand in one that we write.
const TRACE_ID_AT: std::ops::Range<usize> = 3..35;
const SPAN_ID_AT: std::ops::Range<usize> = 36..52;
/// The bit of the flags that says that somebody before may have recorded the trace.
const SAMPLED: u8 = 1;
/// Bits of a trace's name that its sampling is decided by, so that all who go by it decide alike: the last ones, which are
/// random in other products too.
const DECIDING_BITS: u32 = 56;

/// One span of a trace: what the work at hand is called there, and by whom it was begun.
///
/// It is made by [`received`](Self::received) for a request, by [`child`](Self::child) for each attempt of a call, and by
/// [`begin`](Self::begin) for work that nobody asked for. It holds no data of anybody; still, it comes from outside: it is never a label of a metric.
///
/// ```
/// use hallpass_upstream::TraceContext;
///
/// let mut headers = http::HeaderMap::new();
/// headers.insert("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse()?);
/// let request = TraceContext::of(&headers).ok_or("malformed")?;
/// assert_eq!(request.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
///
/// let call = request.child();
/// assert_eq!((call.trace_id(), call.parent_id()), (request.trace_id(), Some(request.span_id())));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: TraceId,
    span_id: SpanId,
    parent_id: Option<SpanId>,
    is_sampled: bool,
    state: Option<Arc<HeaderValue>>,
}

/// The name of a trace: 16 bytes, shown as 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(NonZeroU128);

/// The name of a span in its trace: 8 bytes, shown as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(NonZeroU64);

impl TraceContext {
    /// The first span of a new trace, sampled with this probability.
    #[must_use]
    pub fn begin(sampled: Percent) -> Self {
        let trace_id = TraceId::random();
        Self {
            trace_id,
            span_id: SpanId::random(),
            parent_id: None,
            is_sampled: trace_id.is_among(sampled),
            state: None,
        }
    }

    /// A span that somebody else has made, such as the current one of another product; `None` when one of the names is 0.
    #[must_use]
    pub fn of_ids(trace_id: u128, span_id: u64, is_sampled: bool) -> Option<Self> {
        Some(Self {
            trace_id: TraceId(NonZeroU128::new(trace_id)?),
            span_id: SpanId(NonZeroU64::new(span_id)?),
            parent_id: None,
            is_sampled,
            state: None,
        })
    }

    /// The span of the sender, as the headers of its request have it. `None` without `traceparent`, with several, and with one that is malformed
    /// (section 3.2); a `tracestate` that is malformed is left out, and of one that is too long (512 bytes, 32 members) the end.
    /// Of the flags only the first is kept.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(TRACEPARENT).iter();
        let (Some(text), None) = (all.next(), all.next()) else {
            return None;
        };
        let (trace_id, span_id, flags) = read_traceparent(text.to_str().ok()?)?;
        Some(Self {
            trace_id,
            span_id,
            parent_id: None,
            is_sampled: flags & SAMPLED == SAMPLED,
            state: state::read(headers).map(Arc::new),
        })
    }

    /// The span of this request: in the trace of its sender, or the first one of a new trace, sampled with this probability. The mark of the sender counts as
    /// it came, until [`marked_by_sender`](Self::marked_by_sender) says otherwise.
    #[must_use]
    pub fn received(headers: &HeaderMap, sampled: Percent) -> Self {
        Self::of(headers).map_or_else(|| Self::begin(sampled), |sender| sender.child())
    }

    /// The same span, of a request whose sender's mark counts as it came (`is_trusted`), or else with this probability only. One that its sender does not
    /// sample is not sampled, and one whose trace began here is as it was.
    #[must_use]
    pub fn marked_by_sender(mut self, is_trusted: bool, sampled: Percent) -> Self {
        let is_mark_of_sender = self.parent_id.is_some() && self.is_sampled;
        if is_mark_of_sender && !is_trusted {
            // Not by the name of the trace, as for one that begins here: that is the sender's choice too.
            self.is_sampled = random_below(100) < u64::from(sampled.get());
        }
        self
    }

    /// A new span below this one.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            span_id: SpanId::random(),
            parent_id: Some(self.span_id),
            ..self.clone()
        }
    }

    /// The name of the trace.
    #[must_use]
    pub const fn trace_id(&self) -> TraceId {
        self.trace_id
    }

    /// The name of this span.
    #[must_use]
    pub const fn span_id(&self) -> SpanId {
        self.span_id
    }

    /// The name of the span above; `None` for the first one, and for that of a sender.
    #[must_use]
    pub const fn parent_id(&self) -> Option<SpanId> {
        self.parent_id
    }

    /// Whether somebody may have recorded the trace before. It is passed on as it came.
    #[must_use]
    pub const fn is_sampled(&self) -> bool {
        self.is_sampled
    }

    /// What `traceparent` says of it.
    #[must_use]
    pub fn traceparent(&self) -> HeaderValue {
        // By hand: each attempt writes it, and the machinery of `format!` takes as long as all other headers together.
        let mut text = match self.is_sampled {
            true => *b"00-00000000000000000000000000000000-0000000000000000-01",
            false => *b"00-00000000000000000000000000000000-0000000000000000-00",
        };
        write_hex(
            text.get_mut(TRACE_ID_AT),
            &self.trace_id.0.get().to_be_bytes(),
        );
        write_hex(
            text.get_mut(SPAN_ID_AT),
            &self.span_id.0.get().to_be_bytes(),
        );
        // With its count of references beside it: a copy of the request, which most have, takes no second allocation then. Hexadecimal
        // digits and hyphens are a value.
        HeaderValue::from_maybe_shared(Bytes::from_owner(text))
            .unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// Puts it into the headers of a request, in place of what they say of a trace.
    pub fn write(&self, headers: &mut HeaderMap) {
        headers.insert(TRACEPARENT, self.traceparent());
        match &self.state {
            Some(state) => headers.insert(TRACESTATE, HeaderValue::clone(state)),
            // Nearly never: whoever makes the request has no say in it.
            None if find_header(headers, &TRACESTATE).is_some() => headers.remove(TRACESTATE),
            None => None,
        };
    }
}

/// Two digits a byte.
fn write_hex(places: Option<&mut [u8]>, bytes: &[u8]) {
    let digit = |half: u8| half + if half < 10 { b'0' } else { b'a' - 10 };
    let pairs = places.unwrap_or_default().chunks_exact_mut(2);
    for (pair, byte) in pairs.zip(bytes) {
        if let [high, low] = pair {
            (*high, *low) = (digit(byte >> 4), digit(byte & 0xf));
        }
    }
}

/// The names and the flags of a `traceparent`. Versions after 00 may have more behind the flags (section 3.2.4 there).
fn read_traceparent(text: &str) -> Option<(TraceId, SpanId, u8)> {
    let mut parts = text.split('-');
    let mut next = |length| parts.next().filter(|it| is_hex(it, length));
    let (version, trace_id, span_id, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
    let is_version = version != "ff" && (version != "00" || parts.next().is_none());
    let trace_id = u128::from_str_radix(trace_id, 16).ok()?;
    let span_id = u64::from_str_radix(span_id, 16).ok()?;
    is_version.then_some((
        TraceId(NonZeroU128::new(trace_id)?),
        SpanId(NonZeroU64::new(span_id)?),
        u8::from_str_radix(flags, 16).ok()?,
    ))
}

fn is_hex(text: &str, length: usize) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == length && text.bytes().all(is_digit)
}

impl TraceId {
    fn random() -> Self {
        Self(NonZeroU128::new(random_id()).unwrap_or(NonZeroU128::MIN))
    }

    /// Whether it is one of so many percent of all.
    fn is_among(self, percent: Percent) -> bool {
        let deciding = self.0.get() & ((1 << DECIDING_BITS) - 1);
        deciding * 100 < u128::from(percent.get()) << DECIDING_BITS
    }
}

impl SpanId {
    fn random() -> Self {
        Self(NonZeroU64::MIN.saturating_add(random_below(u64::MAX)))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Without the `tracestate`, which is other programs' own.
impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceContext")
            .field("trace_id", &self.trace_id)
            .field("span_id", &self.span_id)
            .field("parent_id", &self.parent_id)
            .field("is_sampled", &self.is_sampled)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
