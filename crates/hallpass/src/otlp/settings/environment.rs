//! What the standard's variables say. They are not ours, and may stand in every pod of an estate: what makes no sense, or cannot be used, is a warning, and
//! nothing is exported. None of them stops a start.

use hallpass_config::{Secret, Section};
use http::{HeaderName, HeaderValue};
use url::Url;

use super::collector::{
    MAX_HEADERS, endpoint as of_traces, header_name, is_private, of_all_signals, secret_value,
};

const TRACES_ENDPOINT: &str = "otel.exporter.otlp.traces.endpoint";
const ENDPOINT: &str = "otel.exporter.otlp.endpoint";
const PROTOCOLS: [&str; 2] = [
    "otel.exporter.otlp.traces.protocol",
    "otel.exporter.otlp.protocol",
];

/// An endpoint that a variable names.
pub(super) struct Found {
    name: &'static str,
    url: Url,
}

impl Found {
    /// Whether a message may go there; says why not.
    pub(super) fn is_fit(&self, section: &Section<'_>, is_secret: bool) -> bool {
        let is_fit = !is_secret || is_private(&self.url);
        if !is_fit {
            warn(
                section,
                self.name,
                "it is plain http to a host that is not loopback, and there are headers, which are secret",
            );
        }
        is_fit
    }

    /// It is what counts.
    pub(super) fn taken(self, section: &Section<'_>) -> Url {
        section.record_derived("endpoint", self.url.as_str(), self.name);
        self.url
    }
}

/// The endpoint that counts where ours says nothing.
pub(super) fn endpoint(section: &Section<'_>) -> Option<Found> {
    let is_disabled = section.property("otel.sdk.disabled");
    if is_disabled.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    let traces = |name| Some((name, of_traces(&section.property(name)?)));
    let all = |name| Some((name, of_all_signals(&section.property(name)?)));
    let (name, url) = traces(TRACES_ENDPOINT).or_else(|| all(ENDPOINT))?;
    let exporters = section.property("otel.traces.exporter");
    let exporters = exporters.as_deref().unwrap_or("otlp");
    let mut names = exporters.split(',').map(str::trim);
    if exporters.eq_ignore_ascii_case("none") {
        return None;
    }
    if !names.any(|it| it == "otlp") {
        warn(
            section,
            name,
            "OTEL_TRACES_EXPORTER does not name `otlp`, which is all that is spoken here",
        );
        return None;
    }
    let protocol = PROTOCOLS.iter().find_map(|name| section.property(name));
    if protocol.is_some_and(|it| it != "http/protobuf") {
        warn(
            section,
            name,
            "OTEL_EXPORTER_OTLP_PROTOCOL is not `http/protobuf`, which is all that is spoken here",
        );
        return None;
    }
    match url {
        Ok(url) => Some(Found { name, url }),
        Err(message) => {
            warn(section, name, &format!("it {message}"));
            None
        }
    }
}

fn warn(section: &Section<'_>, name: &str, why: &str) {
    let message = format!("is not given, and {name} cannot stand for it: {why}");
    section.warn("endpoint", &message);
}

/// `name=value,name=value`, with percent signs (W3C Baggage).
pub(super) fn headers(section: &Section<'_>) -> Vec<(HeaderName, HeaderValue)> {
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
