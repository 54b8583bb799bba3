//! What is kept of a span while it is open, and what is left of it then.

use std::fmt::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hallpass_upstream::random_id;
use tracing::Metadata;
use tracing::field::{Field, Visit};

/// The fields by which a span says which one of which trace it is.
const TRACE_ID: &str = "trace_id";
const SPAN_ID: &str = "span_id";
const PARENT_SPAN_ID: &str = "parent_span_id";
const TRACE_FLAGS: &str = "trace_flags";
const KIND: &str = "otel.kind";

/// The crates that spans of ours come from. What others call a field alike may be anything: an argument of a function with a secret in it.
const OURS: [&str; 4] = [
    "hallpass",
    "hallpass_feign",
    "hallpass_issuer",
    "hallpass_resource",
];
/// What a span is called whose method is not known.
const UNKNOWN_METHOD: &str = "_OTHER";
/// The field of what a response says.
const STATUS: &str = "http.response.status_code";
/// The fields that are exported of spans of ours: none of them can hold a token, a secret or a person's name.
const EXPORTED: [&str; 11] = [
    "attempts",
    "client",
    "error.type",
    "http.request.method",
    "http.request.resend_count",
    STATUS,
    "http.route",
    "server.address",
    "server.port",
    "service",
    "url.template",
];
/// The span of a call with all its attempts.
const CALL: &str = "feign";
/// The longest text of an attribute; the end of a longer one is left out.
const MAX_TEXT_BYTES: usize = 256;
/// Attributes of one span; further ones are left out.
const MAX_ATTRIBUTES: usize = 64;

/// Which span of which trace, and whether it is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    pub(super) trace: u128,
    pub(super) span: u64,
    is_sampled: bool,
}

#[cfg(test)]
impl Ids {
    /// Any.
    pub(super) const fn of_test() -> Self {
        Self {
            trace: 1,
            span: 2,
            is_sampled: true,
        }
    }
}

/// A value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Text(String),
    Flag(bool),
    Whole(i64),
    Number(f64),
}

/// Which part of a request a span is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum SpanKind {
    #[default]
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// A span under way.
#[derive(Debug)]
pub(super) struct OpenSpan {
    name: &'static str,
    is_ours: bool,
    began: SystemTime,
    began_monotonic: Duration,
    /// The span around it in this process, where that is in a trace.
    around: Option<Ids>,
    ids: OwnIds,
    kind: SpanKind,
    attributes: Vec<(&'static str, Value)>,
}

/// What a span's own fields say of its place in a trace; all that other spans know is said by those around them.
#[derive(Debug, Default)]
struct OwnIds {
    trace: Option<u128>,
    span: Option<u64>,
    parent: Option<u64>,
    is_sampled: bool,
}

/// A span that is over.
#[derive(Debug)]
pub(super) struct FinishedSpan {
    pub(super) ids: Ids,
    pub(super) parent: Option<u64>,
    /// Whether the parent is of another process.
    pub(super) is_parent_remote: bool,
    pub(super) name: &'static str,
    pub(super) kind: SpanKind,
    /// Whether it is a request to this process that was refused, or failed by its sender's fault.
    pub(super) is_refused: bool,
    /// Nanoseconds since 1970.
    pub(super) began: u64,
    pub(super) ended: u64,
    pub(super) attributes: Vec<(&'static str, Value)>,
}

impl OpenSpan {
    /// A span that begins at `now`, by both clocks, below the one `around`.
    pub(super) fn begin(
        metadata: &Metadata<'static>,
        now: (SystemTime, Duration),
        around: Option<Ids>,
    ) -> Self {
        let is_ours = is_ours(metadata);
        let is_declared = is_ours && metadata.fields().field(TRACE_ID).is_some();
        let inherited = around.filter(|_| !is_declared);
        let ids = OwnIds {
            trace: inherited.map(|around| around.trace),
            span: inherited.map(|_| random_span_id()),
            parent: None,
            is_sampled: inherited.is_some_and(|around| around.is_sampled),
        };
        Self {
            name: metadata.name(),
            is_ours,
            began: now.0,
            began_monotonic: now.1,
            around,
            ids,
            kind: SpanKind::default(),
            attributes: Vec::new(),
        }
    }

    /// Its place in a trace, as far as it has one.
    pub(super) fn ids(&self) -> Option<Ids> {
        Some(Ids {
            trace: self.ids.trace?,
            span: self.ids.span?,
            is_sampled: self.ids.is_sampled,
        })
    }

    /// Takes what of its fields is exported; `wanted` are names beside ours.
    pub(super) const fn recorder<'a>(&'a mut self, wanted: &'a [String]) -> Recorder<'a> {
        Recorder { span: self, wanted }
    }

    /// What is left of it; `None` for one that belongs to no trace, or to one that is not sampled.
    pub(super) fn end(self, monotonic: Duration) -> Option<FinishedSpan> {
        let ids = self.ids().filter(|ids| ids.is_sampled)?;
        let around = self.around.filter(|around| around.trace == ids.trace);
        let began = self.began.duration_since(UNIX_EPOCH).unwrap_or_default();
        let took = monotonic.saturating_sub(self.began_monotonic);
        // Those who see no attempts take the call for what goes to the callee; here its attempts do.
        let is_call = self.is_ours && self.name == CALL;
        Some(FinishedSpan {
            ids,
            is_refused: self.is_refused(),
            // A span of the service's own that stands between two of ours is no parent that ours know of.
            parent: around.map(|around| around.span).or(self.ids.parent),
            is_parent_remote: around.is_none() && self.kind == SpanKind::Server,
            name: self.name,
            kind: if is_call {
                SpanKind::Internal
            } else {
                self.kind
            },
            began: nanos(began),
            ended: nanos(began + took),
            attributes: self.attributes,
        })
    }

    fn is_refused(&self) -> bool {
        let status = self.attributes.iter().find(|(name, _)| *name == STATUS);
        let is_by_sender = matches!(status, Some((_, Value::Whole(400..=499))));
        self.is_ours && self.kind == SpanKind::Server && is_by_sender
    }

    fn set(&mut self, name: &'static str, value: Value) {
        let is_full = self.attributes.len() >= MAX_ATTRIBUTES;
        match self.attributes.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None if is_full => {}
            None => self.attributes.push((name, value)),
        }
    }
}

impl FinishedSpan {
    /// As spans of HTTP are called: by method and route.
    pub(super) fn title(&self) -> String {
        let text = |name| match self.attribute(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        };
        let route = text("http.route").or_else(|| text("url.template"));
        let method = text("http.request.method").map(|method| match &**method {
            UNKNOWN_METHOD => "HTTP",
            method => method,
        });
        match (method, route) {
            (Some(method), Some(route)) => format!("{method} {route}"),
            (Some(method), None) => method.to_owned(),
            _ => self.name.to_owned(),
        }
    }

    /// Whether it tells of a failure: by its error, or by its status; 4xx is one of the caller alone.
    pub(super) fn has_failed(&self) -> bool {
        let least = if self.kind == SpanKind::Server {
            500
        } else {
            400
        };
        let status = self.attribute(STATUS);
        let is_failure = matches!(status, Some(&Value::Whole(status)) if status >= least);
        is_failure || self.attribute("error.type").is_some()
    }

    fn attribute(&self, name: &str) -> Option<&Value> {
        let mut all = self.attributes.iter();
        all.find_map(|(known, value)| (*known == name).then_some(value))
    }
}

/// Whether it is one of ours, by the whole name of its crate: `hallpass_orders` is a service's.
pub(super) fn is_ours(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let name = target.split_once("::").map_or(target, |(name, _)| name);
    OURS.contains(&name)
}

/// Takes the values of fields.
pub(super) struct Recorder<'a> {
    span: &'a mut OpenSpan,
    wanted: &'a [String],
}

impl Recorder<'_> {
    fn wants(&self, name: &str) -> bool {
        let is_known = self.span.is_ours && EXPORTED.contains(&name);
        is_known || self.wanted.iter().any(|wanted| wanted == name)
    }

    fn take(&mut self, field: &Field, value: Value) {
        if self.wants(field.name()) {
            self.span.set(field.name(), value);
        }
    }

    /// What says where the span stands; whether it was that.
    fn take_ids(&mut self, field: &Field, text: &str) -> bool {
        let ids = &mut self.span.ids;
        match field.name() {
            KIND => self.span.kind = kind(text),
            _ if !self.span.is_ours => return false,
            TRACE_ID => ids.trace = u128::from_str_radix(text, 16).ok().filter(|it| *it != 0),
            SPAN_ID => ids.span = span_id(text),
            PARENT_SPAN_ID => ids.parent = span_id(text),
            _ => return false,
        }
        true
    }
}

impl Visit for Recorder<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, Value::Number(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, Value::Whole(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if self.span.is_ours && field.name() == TRACE_FLAGS {
            self.span.ids.is_sampled = value & 1 == 1;
        } else {
            let value =
                i64::try_from(value).map_or_else(|_| Value::Text(value.to_string()), Value::Whole);
            self.take(field, value);
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, Value::Flag(value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !self.take_ids(field, value) && self.wants(field.name()) {
            let mut text = Bounded::default();
            // It says that it is full by an error.
            let _full = text.write_str(value);
            self.span.set(field.name(), Value::Text(text.0));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let is_id = matches!(field.name(), TRACE_ID | SPAN_ID | PARENT_SPAN_ID | KIND);
        if !is_id && !self.wants(field.name()) {
            return;
        }
        let mut text = Bounded::default();
        let _full = write!(text, "{value:?}");
        if !self.take_ids(field, &text.0) {
            self.span.set(field.name(), Value::Text(text.0));
        }
    }
}

/// A text that grows no longer than it may.
#[derive(Default)]
struct Bounded(String);

impl Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_TEXT_BYTES.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = (0..=room).rev().find(|end| text.is_char_boundary(*end));
        self.0
            .push_str(text.get(..end.unwrap_or(0)).unwrap_or_default());
        Err(fmt::Error)
    }
}

fn span_id(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok().filter(|it| *it != 0)
}

fn random_span_id() -> u64 {
    const LOW: u128 = u64::MAX as u128;
    // 0 names no span.
    u64::try_from(random_id() & LOW).unwrap_or(1).max(1)
}

fn kind(text: &str) -> SpanKind {
    match text {
        "server" => SpanKind::Server,
        "client" => SpanKind::Client,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

/// Until the year 2554.
fn nanos(since_1970: Duration) -> u64 {
    u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
