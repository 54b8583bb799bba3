//! What a line says.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use http::StatusCode;
use httpdate::HttpDate;

use crate::settings::access_log::{AccessLogFormat, AccessLogSettings};

/// Most bytes of a path, and of a query, in a line: 8,192 lines may wait, and strangers write them. A request of more than 4,096 bytes of path goes nowhere.
const MAX_FIELD_BYTES: usize = 2 * 1_024;

/// A request and how it was answered. Lines have nothing of headers, tokens and bodies; of the query and the caller only where settings ask for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) at: SystemTime,
    pub(crate) address: IpAddr,
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) version: &'static str,
    pub(crate) status: StatusCode,
    /// The name of the route; `None` where there was none, or it was not looked for.
    pub(crate) route: Option<&'a str>,
    pub(crate) service: Option<&'a str>,
    /// Where it went last; `None` where it has gone nowhere.
    pub(crate) instance: Option<&'a str>,
    /// How often it went out.
    pub(crate) attempts: u32,
    /// What has refused the request on this side.
    pub(crate) refused_by: Option<&'a str>,
    /// From the head of the request to the head of the response.
    pub(crate) took: Duration,
    /// Of the body of the request, where it was announced.
    pub(crate) received: Option<u64>,
    /// Of the response, where it was announced.
    pub(crate) bytes: Option<u64>,
    pub(crate) trace: Option<&'a str>,
    /// Issuer and subject.
    pub(crate) caller: Option<(&'a str, &'a str)>,
}

impl Entry<'_> {
    pub(super) fn line(&self, settings: &AccessLogSettings) -> String {
        match settings.format {
            AccessLogFormat::Json => self.json(settings),
            AccessLogFormat::Combined => self.combined(settings),
        }
    }

    fn json(&self, settings: &AccessLogSettings) -> String {
        let mut line = String::with_capacity(320);
        let _ = write!(line, "{{\"time\":\"{}\"", timestamp(self.at));
        text(&mut line, "address", Some(&self.address.to_string()));
        text(&mut line, "method", Some(self.method));
        text(&mut line, "path", Some(clipped(self.path)));
        if settings.has_query {
            text(&mut line, "query", self.query.map(clipped));
        }
        let _ = write!(line, ",\"status\":{}", self.status.as_u16());
        text(&mut line, "route", self.route);
        text(&mut line, "service", self.service);
        text(&mut line, "instance", self.instance);
        if self.attempts > 0 {
            let _ = write!(line, ",\"attempts\":{}", self.attempts);
        }
        text(&mut line, "refused_by", self.refused_by);
        let _ = write!(line, ",\"ms\":{:.3}", self.took.as_secs_f64() * 1e3);
        if let Some(received) = self.received {
            let _ = write!(line, ",\"received\":{received}");
        }
        if let Some(bytes) = self.bytes {
            let _ = write!(line, ",\"bytes\":{bytes}");
        }
        text(&mut line, "trace", self.trace);
        if settings.has_callers {
            text(&mut line, "issuer", self.caller.map(|(issuer, _)| issuer));
            text(
                &mut line,
                "subject",
                self.caller.map(|(_, subject)| subject),
            );
        }
        line.push('}');
        line
    }

    fn combined(&self, settings: &AccessLogSettings) -> String {
        let subject = self.caller.filter(|_| settings.has_callers);
        let subject = subject.map_or("-".to_owned(), |(_, subject)| {
            escaped(subject).replace(' ', "\\x20")
        });
        let mut target = escaped(clipped(self.path));
        if let Some(query) = self.query.filter(|_| settings.has_query) {
            target.push('?');
            target.push_str(&escaped(clipped(query)));
        }
        let bytes = self.bytes.map_or("-".to_owned(), |it| it.to_string());
        format!(
            "{} - {subject} [{}] \"{} {target} {}\" {} {bytes} \"-\" \"-\"",
            self.address,
            day_and_time(self.at),
            self.method,
            self.version,
            self.status.as_u16(),
        )
    }
}

/// Its beginning, where it is longer than a line needs.
fn clipped(text: &str) -> &str {
    let end = text.floor_char_boundary(MAX_FIELD_BYTES);
    text.get(..end).unwrap_or_default()
}

fn text(line: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        let value = serde_json::Value::from(value);
        // Writing to a String does not fail.
        let _ = write!(line, ",\"{name}\":{value}");
    }
}

/// As Apache and nginx escape what would end a field or a line.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' | 0..=0x1f | 0x7f.. => {
                let _ = write!(escaped, "\\x{byte:02X}");
            }
            _ => escaped.push(char::from(byte)),
        }
    }
    escaped
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` in its parts.
struct Parts {
    day: String,
    month: String,
    year: String,
    time: String,
}

fn parts(at: SystemTime) -> Parts {
    let text = HttpDate::from(at).to_string();
    let mut words = text.split(' ').skip(1).map(str::to_owned);
    let mut next = || words.next().unwrap_or_default();
    Parts {
        day: next(),
        month: next(),
        year: next(),
        time: next(),
    }
}

/// RFC 3339, in milliseconds.
fn timestamp(at: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let of = parts(at);
    let month = MONTHS.iter().position(|it| *it == of.month).unwrap_or(0) + 1;
    let since = at.duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().subsec_millis();
    let Parts {
        day, year, time, ..
    } = of;
    format!("{year}-{month:02}-{day}T{time}.{millis:03}Z")
}

fn day_and_time(at: SystemTime) -> String {
    let Parts {
        day,
        month,
        year,
        time,
    } = parts(at);
    format!("{day}/{month}/{year}:{time} +0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'static> = Entry {
        at: SystemTime::UNIX_EPOCH,
        address: IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)),
        method: "GET",
        path: "/a\"b\n",
        query: Some("token=secret"),
        version: "HTTP/1.1",
        status: StatusCode::FORBIDDEN,
        route: Some("orders"),
        service: Some("order-service"),
        instance: Some("https://192.0.2.7:8443"),
        attempts: 2,
        refused_by: Some("decision"),
        took: Duration::from_micros(1_234),
        received: Some(5),
        bytes: Some(17),
        trace: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
        caller: Some(("https://id.example", "al ice")),
    };

    #[test]
    fn a_line_says_no_query_and_no_caller_unless_asked() {
        let entry = Entry {
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_089),
            ..ENTRY
        };
        let settings = AccessLogSettings::default();
        assert_eq!(
            entry.line(&settings),
            r#"{"time":"1994-11-06T08:49:37.089Z","address":"192.0.2.1","method":"GET","path":"/a\"b\n","status":403,"route":"orders","service":"order-service","instance":"https://192.0.2.7:8443","attempts":2,"refused_by":"decision","ms":1.234,"received":5,"bytes":17,"trace":"4bf92f3577b34da6a3ce929d0e0e4736"}"#
        );
        let all = AccessLogSettings {
            has_query: true,
            has_callers: true,
            ..settings
        };
        let line = entry.line(&all);
        let read: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(read["query"], "token=secret");
        assert_eq!(read["subject"], "al ice");
    }

    #[test]
    fn no_request_makes_a_line_of_any_length() {
        let long = "\"".repeat(32 * 1_024);
        let entry = Entry {
            path: &long,
            query: Some(&long),
            ..ENTRY
        };
        for format in [AccessLogFormat::Json, AccessLogFormat::Combined] {
            let settings = AccessLogSettings {
                format,
                has_query: true,
                ..AccessLogSettings::default()
            };
            let line = entry.line(&settings);
            assert!(line.len() < 20_000, "{} bytes", line.len());
        }
    }

    #[test]
    fn nothing_in_a_request_ends_a_field_or_a_line() {
        let combined = AccessLogSettings {
            format: AccessLogFormat::Combined,
            has_callers: true,
            ..AccessLogSettings::default()
        };
        assert_eq!(
            ENTRY.line(&combined),
            r#"192.0.2.1 - al\x20ice [01/Jan/1970:00:00:00 +0000] "GET /a\x22b\x0A HTTP/1.1" 403 17 "-" "-""#
        );
    }
}
