//! `telemetry.otlp`: where spans go.

use std::fmt::{self, Display};
use std::time::Duration;

use hallpass_config::{Configuration, Key, Kind, Section};
use http::{HeaderName, HeaderValue, Uri};

mod collector;
mod environment;

use collector::{MAX_HEADERS, header_name, is_private, of_all_signals, secret_value};

/// Attributes that may be added to ours.
const MAX_ATTRIBUTES: usize = 32;
/// The longest that values of ours may be.
const MAX_NAME_BYTES: usize = 128;

const HEADER_KEYS: &[Key] = &[
    Key::new("value", Kind::Secret, "What it says. It is never shown."),
    Key::new(
        "value-file",
        Kind::File,
        "A file that has it, in place of `value`.",
    ),
];

const OTLP_KEYS: &[Key] = &[
    Key::new(
        "endpoint",
        Kind::Text {
            what: "URL of a collector that speaks OTLP over HTTP",
        },
        "Where spans go, such as `https://collector.example:4318`; `/v1/traces` is put behind it. Plain http is for collectors that are sent no `headers`, \
        and for loopback. Without it no span is kept or sent.",
    )
    .otherwise("`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, or `OTEL_EXPORTER_OTLP_ENDPOINT`, unless `OTEL_SDK_DISABLED` is `true` or `OTEL_TRACES_EXPORTER` is `none`"),
    Key::new(
        "headers",
        Kind::Named(HEADER_KEYS),
        "Headers for the collector, by name, such as `authorization: { value-file: /run/secrets/collector }`. At most 16. They go there alone.",
    )
    .otherwise("`OTEL_EXPORTER_OTLP_HEADERS`"),
    Key::new(
        "timeout-ms",
        Kind::millis(10, 60_000),
        "How long the collector may take for one message. No call waits for it.",
    )
    .or("10000"),
    Key::new(
        "interval-ms",
        Kind::millis(10, 60_000),
        "How long a span waits for others, to leave in one message with them; a message has 512 at most.",
    )
    .or("1000"),
    Key::new(
        "max-queued-spans",
        Kind::count(1, 65_536),
        "How many spans may wait for the collector. What comes after them is dropped and counted in `hallpass_otlp_dropped_total`.",
    )
    .or("2048"),
    Key::new(
        "attributes",
        Kind::Texts {
            what: "names of fields of spans",
        },
        "Fields of your own spans that are exported beside those of Hallpass's. No other field is: arguments of functions, which `#[instrument]` records, \
        may be secret.",
    )
    .or(""),
];

const KEYS: &[Key] = &[Key::new(
    "otlp",
    Kind::Section(OTLP_KEYS),
    "Export of spans to a collector of OpenTelemetry. Which traces that begin here are exported is `trace.sample-percent`; one that began elsewhere \
    keeps its mark. A change needs a restart. See [telemetry.md](telemetry.md).",
)];

/// `telemetry`: what of this process is shown to a collector.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TelemetrySettings {
    /// `otlp`; `None` without an endpoint.
    pub otlp: Option<OtlpSettings>,
}

/// `telemetry.otlp`: where spans go, and how.
#[derive(Clone, PartialEq)]
pub struct OtlpSettings {
    pub(super) endpoint: Uri,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) timeout: Duration,
    pub(super) interval: Duration,
    pub(super) max_queued_spans: usize,
    pub(super) attributes: Vec<String>,
    /// `OTEL_SERVICE_NAME`.
    pub(super) service_name: Option<String>,
}

impl Configuration for TelemetrySettings {
    fn keys() -> Vec<Key> {
        vec![
            Key::new(
                "telemetry",
                Kind::Section(KEYS),
                "What of this process a collector is shown.",
            )
            .shared(),
        ]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("telemetry").section("otlp");
        let otlp = section.read_all(OtlpSettings::read);
        Some(Self { otlp: otlp? })
    }
}

impl OtlpSettings {
    /// `Some(None)` without an endpoint.
    fn read(section: &Section<'_>) -> Option<Option<Self>> {
        let has_endpoint = section.has("endpoint");
        let found = match has_endpoint {
            true => None,
            false => environment::endpoint(section),
        };
        let is_silent = !has_endpoint && !section.is_given();
        if is_silent && found.is_none() {
            // Nobody has said anything of it: the effective tree does not either.
            return Some(None);
        }
        let has_headers = section.has("headers");
        let headers = match has_headers {
            true => read_headers(section),
            false => Some(environment::headers(section)),
        };
        let is_secret = headers.as_ref().is_some_and(|it| !it.is_empty());
        let found = found.filter(|it| it.is_fit(section, is_secret));
        if is_silent && found.is_none() {
            return Some(None);
        }
        let endpoint = match has_endpoint {
            true => section.checked("endpoint", of_all_signals).map(Some),
            false => Some(found.map(|it| it.taken(section))),
        };
        let timeout = section.millis("timeout-ms");
        let interval = section.millis("interval-ms");
        let max_queued_spans = section.count("max-queued-spans");
        let attributes = read_attributes(section);
        let (endpoint, headers) = (endpoint?, headers?);
        let Some(endpoint) = endpoint else {
            return Some(None);
        };
        if !headers.is_empty() && !is_private(&endpoint) {
            return plain_http(section, has_headers);
        }
        Some(Some(Self {
            endpoint: endpoint.as_str().parse().ok()?,
            headers,
            timeout: timeout?,
            interval: interval?,
            max_queued_spans: usize::try_from(max_queued_spans?).ok()?,
            attributes: attributes?,
            service_name: section.property("otel.service.name"),
        }))
    }

    /// Whether a message has nothing that others may not read: names of routes, times and status codes are none.
    pub(super) fn carries_no_secret(&self) -> bool {
        self.headers.is_empty()
    }
}

/// What is to be said of headers that would go to an endpoint of ours over plain http: a problem where they are ours too.
fn plain_http(section: &Section<'_>, has_headers: bool) -> Option<Option<OtlpSettings>> {
    if has_headers {
        let message =
            "is plain http to a host that is not loopback, and `headers` are secret; write https";
        section.problem("endpoint", message);
        return None;
    }
    let message = "is plain http to a host that is not loopback, and OTEL_EXPORTER_OTLP_HEADERS may be secret: nothing is exported; write https, or `headers: {}`";
    section.warn("endpoint", message);
    Some(None)
}

fn read_attributes(section: &Section<'_>) -> Option<Vec<String>> {
    let attributes = section.texts("attributes", check_attribute)?;
    if attributes.len() > MAX_ATTRIBUTES {
        section.problem("attributes", format!("must be at most {MAX_ATTRIBUTES}"));
        return None;
    }
    Some(attributes)
}

fn read_headers(section: &Section<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let named = section.named_by("headers", header_name);
    if named.len() > MAX_HEADERS {
        section.problem("headers", format!("must be at most {MAX_HEADERS}"));
        return None;
    }
    let values = named.into_iter().map(|(name, section)| {
        let value = section.required("value", |section, key| section.secret(key))?;
        match secret_value(&value) {
            Some(value) => Some((name, value)),
            None => {
                section.problem("value", "holds what cannot stand in a header");
                None
            }
        }
    });
    // All are read before the first bad one makes the result `None`.
    let values: Vec<_> = values.collect();
    values.into_iter().collect()
}

fn check_attribute(text: &str) -> Result<String, impl Display + use<>> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if text.is_empty() || text.len() > MAX_NAME_BYTES || !text.chars().all(is_name) {
        return Err("must be names of fields: letters, digits, `.`, `_`, `-`");
    }
    Ok(text.to_owned())
}

/// Without the values of headers.
impl fmt::Debug for OtlpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("OtlpSettings")
            .field("endpoint", &self.endpoint)
            .field("headers", &headers)
            .field("timeout", &self.timeout)
            .field("interval", &self.interval)
            .field("max_queued_spans", &self.max_queued_spans)
            .field("attributes", &self.attributes)
            .field("service_name", &self.service_name)
            .finish()
    }
}

#[cfg(test)]
mod tests;
