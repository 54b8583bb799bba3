//! `telemetry.otlp`: where spans go.

use std::fmt::{self, Display};
use std::time::Duration;

use hallpass_config::{
    Configuration, Key, Kind, Secret, Section, has_credentials, is_loopback, strict_url,
};
use http::{HeaderName, HeaderValue, Uri};
use url::Url;

/// Where the standard has collectors take traces, below the endpoint of all signals.
const TRACES_PATH: &str = "v1/traces";
/// Headers that a collector may be sent beside those of the message.
const MAX_HEADERS: usize = 16;
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
    .otherwise("`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` as it is, or `OTEL_EXPORTER_OTLP_ENDPOINT`, unless `OTEL_SDK_DISABLED` is `true`"),
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
        let endpoint = match section.has("endpoint") {
            true => section.checked("endpoint", of_all_signals).map(Some),
            false => Some(endpoint_of_environment(section)),
        };
        if endpoint == Some(None) && !section.is_given() {
            // Nobody has said anything of it: the effective tree does not either.
            return Some(None);
        }
        let headers = match section.has("headers") {
            true => read_headers(section),
            false => Some(headers_of_environment(section)),
        };
        let timeout = section.millis("timeout-ms");
        let interval = section.millis("interval-ms");
        let max_queued_spans = section.count("max-queued-spans");
        let attributes = section.texts("attributes", check_attribute);
        if attributes
            .as_ref()
            .is_some_and(|it| it.len() > MAX_ATTRIBUTES)
        {
            section.problem("attributes", format!("must be at most {MAX_ATTRIBUTES}"));
            return None;
        }
        let (endpoint, headers) = (endpoint?, headers?);
        let Some(endpoint) = endpoint else {
            return Some(None);
        };
        if !headers.is_empty() && !is_private(&endpoint) {
            let message = "is plain http to a host that is not loopback, and `headers` are secret; write https";
            section.problem("endpoint", message);
            return None;
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

/// The endpoint of all signals, of which that for traces is made.
fn of_all_signals(text: &str) -> Result<Url, &'static str> {
    let mut url = collector(text)?;
    let path = format!("{}/{TRACES_PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

fn collector(text: &str) -> Result<Url, &'static str> {
    let url = strict_url(text).ok_or("is not a URL; write https://host:4318")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must be a URL of http or https");
    }
    if has_credentials(&url) {
        return Err("must not hold a user name or password: write `headers`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or a fragment");
    }
    Ok(url)
}

fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// What the standard's variables say. They are not ours: what makes no sense is a warning.
fn endpoint_of_environment(section: &Section<'_>) -> Option<Url> {
    const TRACES: &str = "otel.exporter.otlp.traces.endpoint";
    const ALL: &str = "otel.exporter.otlp.endpoint";
    let is_disabled = section.property("otel.sdk.disabled");
    if is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    let traces = section.property(TRACES).map(|it| (TRACES, collector(&it)));
    let all = || Some((ALL, of_all_signals(&section.property(ALL)?)));
    let (name, url) = traces.or_else(all)?;
    let protocols = [
        "otel.exporter.otlp.traces.protocol",
        "otel.exporter.otlp.protocol",
    ];
    let protocol = protocols.iter().find_map(|name| section.property(name));
    if protocol.is_some_and(|it| it != "http/protobuf") {
        let message = format!(
            "is not given, and {name} cannot stand for it: OTEL_EXPORTER_OTLP_PROTOCOL is not `http/protobuf`, which is all that is spoken here"
        );
        section.warn("endpoint", &message);
        return None;
    }
    match url {
        Ok(url) => {
            section.record_derived("endpoint", url.as_str(), name);
            Some(url)
        }
        Err(message) => {
            let message = format!("is not given, and {name} cannot stand for it: it {message}");
            section.warn("endpoint", &message);
            None
        }
    }
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

/// `name=value,name=value`, with percent signs (W3C Baggage).
fn headers_of_environment(section: &Section<'_>) -> Vec<(HeaderName, HeaderValue)> {
    const HEADERS: &str = "otel.exporter.otlp.headers";
    let Some(text) = section.property(HEADERS).map(Secret::new) else {
        return Vec::new();
    };
    let pairs = text
        .expose()
        .split(',')
        .filter(|pair| !pair.trim().is_empty());
    let headers: Option<Vec<_>> = pairs.map(header_of_pair).collect();
    match headers {
        Some(headers) if headers.len() <= MAX_HEADERS => headers,
        _ => {
            let message = "is not given, and OTEL_EXPORTER_OTLP_HEADERS cannot stand for it: it must be `name=value`, with commas between up to 16";
            section.warn("headers", message);
            Vec::new()
        }
    }
}

fn header_of_pair(pair: &str) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = pair.split_once('=')?;
    let value = percent_decoded(value.trim())?;
    Some((header_name(name.trim()).ok()?, secret_value(&value)?))
}

fn percent_decoded(text: &str) -> Option<Secret> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits).ok()?;
                u8::from_str_radix(digits, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok().map(Secret::new)
}

/// Not those that say what the message is, and how long.
fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    let name =
        HeaderName::from_bytes(text.as_bytes()).map_err(|_| "is not the name of a header")?;
    match name.as_str() {
        "content-type" | "content-length" | "content-encoding" | "transfer-encoding" | "host"
        | "connection" => Err("belongs to the message and is written by itself"),
        _ => Ok(name),
    }
}

fn secret_value(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
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
