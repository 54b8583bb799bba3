//! `deadline`: what becomes of a request whose caller has stopped waiting.

use std::str::FromStr;
use std::time::Duration;

use hallpass_config::{Key, Kind, Section};
use http::HeaderName;
use http::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};

/// What becomes of a request whose caller says for how long it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineSettings {
    /// `header`: where a caller says so, in whole milliseconds, beside `grpc-timeout` and Envoy's
    /// `x-envoy-expected-rq-timeout-ms`. `None`: nothing is read, not these either.
    pub header: Option<HeaderName>,
    /// `max-ms`: longer times count as this one.
    pub max: Duration,
    /// `enforce`: whether the handler is stopped then. The calls that it makes end then in any case.
    pub enforce: bool,
}

impl Default for DeadlineSettings {
    fn default() -> Self {
        Self {
            header: Some(HeaderName::from_static("x-request-timeout-ms")),
            max: Duration::from_secs(60),
            enforce: true,
        }
    }
}

pub(super) const DEADLINE_KEYS: &[Key] = &[
    Key::new(
        "header",
        Kind::Text {
            what: "the name of a header, or `none`",
        },
        "Where a caller says how many milliseconds it waits for the response; of several numbers the least counts, and what is \
        none counts for nothing. `grpc-timeout` and `x-envoy-expected-rq-timeout-ms` are read as well. `none`: nothing is read.",
    )
    .or("x-request-timeout-ms"),
    Key::new(
        "max-ms",
        Kind::millis(1, 3_600_000),
        "Longer times count as this one.",
    )
    .or("60000"),
    Key::new(
        "enforce",
        Kind::Flag,
        "Whether the handler is stopped when its caller waits no longer: it is dropped at its next `.await`, and the response is \
        504 `deadline_exceeded`. Otherwise the time only limits the calls that the handler makes.",
    )
    .or("true"),
];

/// Those that say something else in each request.
const TAKEN: [HeaderName; 5] = [
    AUTHORIZATION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    HOST,
    TRANSFER_ENCODING,
];

impl DeadlineSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let header = section.checked("header", header_name);
        let max = section.millis("max-ms");
        let enforce = section.flag("enforce");
        Some(Self {
            header: header?,
            max: max?,
            enforce: enforce?,
        })
    }
}

fn header_name(text: &str) -> Result<Option<HeaderName>, &'static str> {
    if text == "none" {
        return Ok(None);
    }
    match HeaderName::from_str(text) {
        Ok(name) if !TAKEN.contains(&name) => Ok(Some(name)),
        _ => Err("is not the name of a header that can say this; write one of your own, or none"),
    }
}
