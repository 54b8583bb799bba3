//! How long the callee has, in the words of HTTP services and of gRPC.

use std::time::Duration;

use hallpass_upstream::find_header;
use http::header::{CONTENT_TYPE, Entry};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header of gRPC: an amount of at most eight digits, and its unit.
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
const GRPC: &[u8] = b"application/grpc";
/// Most calls are sent within so many milliseconds of their beginning: what is left then is kept ready.
const READY: u64 = 4;

/// How a method tells it. Built once a method and setting.
#[derive(Debug)]
pub(crate) struct TimeLeft {
    name: HeaderName,
    /// The deadline of the method, in milliseconds.
    limit: u64,
    /// What is left of it after 0, 1, 2... milliseconds, so that writing it costs no allocation.
    ready: Vec<HeaderValue>,
}

impl TimeLeft {
    /// Under `name`, for calls that have `limit`.
    pub(crate) fn new(name: HeaderName, limit: Duration) -> Self {
        let limit = millis(limit);
        Self {
            name,
            limit,
            ready: (0..=READY.min(limit))
                .map(|spent| HeaderValue::from(limit - spent))
                .collect(),
        }
    }

    /// Writes it, rounded down: the callee is to stop no later than its caller. What the method, or the request that is handed on, says
    /// itself stays where it is less.
    pub(super) fn tell(&self, headers: &mut HeaderMap, time: Duration) {
        let left = millis(time);
        let is_grpc = find_header(headers, &CONTENT_TYPE)
            .is_some_and(|value| value.as_bytes().starts_with(GRPC));
        if is_grpc {
            // A day at most (`OngoingCall`), so the digits suffice.
            if let Ok(value) = HeaderValue::try_from(format!("{left}m")) {
                set(headers, GRPC_TIMEOUT, value, |said| {
                    of_grpc(said).is_some_and(|said| said <= time)
                });
            }
        } else {
            let is_less = |said: &str| said.parse::<u64>().is_ok_and(|said| said <= left);
            set(headers, self.name.clone(), self.value(left), is_less);
        }
    }

    fn value(&self, left: u64) -> HeaderValue {
        let spent = self.limit.checked_sub(left);
        let spent = spent.and_then(|spent| usize::try_from(spent).ok());
        match spent.and_then(|spent| self.ready.get(spent)) {
            Some(ready) => ready.clone(),
            None => HeaderValue::from(left),
        }
    }
}

fn set(
    headers: &mut HeaderMap,
    name: HeaderName,
    value: HeaderValue,
    is_less: impl Fn(&str) -> bool,
) {
    match headers.try_entry(name) {
        Ok(Entry::Vacant(place)) => _ = place.try_insert(value),
        Ok(Entry::Occupied(mut place)) => {
            let mut said = place.iter();
            let (first, further) = (said.next(), said.next());
            let first = first.and_then(|said| said.to_str().ok());
            if further.is_some() || !first.is_some_and(is_less) {
                _ = place.insert(value);
            }
        }
        Err(_) => {}
    }
}

/// What `grpc-timeout` says; `None` for what it cannot say.
fn of_grpc(text: &str) -> Option<Duration> {
    let (amount, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let amount: u32 = amount.parse().ok()?;
    let unit = match unit {
        "H" => Duration::from_secs(3_600),
        "M" => Duration::from_secs(60),
        "S" => Duration::from_secs(1),
        "m" => Duration::from_millis(1),
        "u" => Duration::from_micros(1),
        "n" => Duration::from_nanos(1),
        _ => return None,
    };
    unit.checked_mul(amount)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(headers: &[(&'static str, &'static str)], left: Duration) -> HeaderMap {
        let mut map: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect();
        let name = HeaderName::from_static("x-request-timeout-ms");
        TimeLeft::new(name, Duration::from_secs(2)).tell(&mut map, left);
        map
    }

    #[test]
    fn what_is_left_is_told_in_whole_milliseconds_rounded_down() {
        for (left, expected) in [
            (Duration::from_secs(2), "2000"),
            (Duration::from_micros(1_999_999), "1999"),
            (Duration::from_micros(1_995_001), "1995"),
            (Duration::from_millis(37), "37"),
            (Duration::from_micros(999), "0"),
            (Duration::ZERO, "0"),
            // An attempt never has more than its call; if it had, it would still be told.
            (Duration::from_secs(3), "3000"),
        ] {
            let headers = told(&[], left);
            assert_eq!(headers["x-request-timeout-ms"], expected, "{left:?}");
            assert_eq!(headers.len(), 1);
        }
    }

    #[test]
    fn a_request_of_grpc_has_its_own_header() {
        let content = ("content-type", "application/grpc+proto");
        let headers = told(&[content], Duration::from_millis(1_500));
        assert_eq!(headers["grpc-timeout"], "1500m");
        assert!(!headers.contains_key("x-request-timeout-ms"));
        let day = told(&[content], Duration::from_secs(24 * 60 * 60));
        assert_eq!(day["grpc-timeout"], "86400000m", "eight digits at most");
    }

    #[test]
    fn what_the_request_says_itself_stays_where_it_is_less_and_nothing_is_said_twice() {
        let name = "x-request-timeout-ms";
        for (said, expected) in [
            ("5", "5"),
            ("1000", "1000"),
            ("1001", "1000"),
            ("3600000", "1000"),
            ("-1", "1000"),
            ("99999999999999999999", "1000"),
            ("soon", "1000"),
        ] {
            let headers = told(&[(name, said)], Duration::from_secs(1));
            let all: Vec<_> = headers.get_all(name).iter().collect();
            assert_eq!(all, [expected], "{said}");
        }
        let content = ("content-type", "application/grpc");
        for (said, expected) in [
            ("5m", "5m"),
            ("999999u", "999999u"),
            ("1S", "1S"),
            ("2S", "1000m"),
            ("99999999H", "1000m"),
            ("1x", "1000m"),
            ("", "1000m"),
        ] {
            let headers = told(&[content, ("grpc-timeout", said)], Duration::from_secs(1));
            assert_eq!(headers["grpc-timeout"], expected, "{said}");
        }
        let mut twice = told(&[], Duration::from_millis(1));
        twice.append(name, HeaderValue::from_static("0"));
        let limit = Duration::from_secs(2);
        TimeLeft::new(HeaderName::from_static(name), limit).tell(&mut twice, limit);
        let all: Vec<_> = twice.get_all(name).iter().collect();
        assert_eq!(all, ["2000"]);
    }
}
