//! For how long the caller of a request waits, in the words of HTTP services, of Envoy and of gRPC.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::settings::deadline::DeadlineSettings;

/// What Envoy tells the services behind it.
static ENVOY: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");
static GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// How long the caller waits: the least of what it says.
pub(crate) fn time_left(settings: &DeadlineSettings, headers: &HeaderMap) -> Option<Duration> {
    let own = settings.header.as_ref()?;
    // A look at the lengths of all names costs less than to look for one of them, and most requests have none.
    let lengths = [own, &ENVOY, &GRPC_TIMEOUT].map(|name| name.as_str().len());
    let mut names = headers.keys().map(|name| name.as_str().len());
    if !names.any(|length| lengths.contains(&length)) {
        return None;
    }
    let millis = |name| headers.get_all(name).iter().filter_map(whole_millis);
    let grpc = headers
        .get_all(&GRPC_TIMEOUT)
        .iter()
        .filter_map(grpc_amount);
    let least = millis(own).chain(millis(&ENVOY)).chain(grpc).min()?;
    Some(least.min(settings.max))
}

/// A whole number of milliseconds, as digits alone; a number too large to be one is a very long time.
fn whole_millis(value: &HeaderValue) -> Option<Duration> {
    digits(value.as_bytes()).map(Duration::from_millis)
}

/// An amount of at most eight digits and its unit ("gRPC over HTTP2", section Requests).
fn grpc_amount(value: &HeaderValue) -> Option<Duration> {
    let (unit, amount) = value.as_bytes().split_last()?;
    if amount.len() > 8 {
        return None;
    }
    let amount = digits(amount)?;
    Some(match unit {
        b'H' => Duration::from_secs(amount * 3_600),
        b'M' => Duration::from_secs(amount * 60),
        b'S' => Duration::from_secs(amount),
        b'm' => Duration::from_millis(amount),
        b'u' => Duration::from_micros(amount),
        b'n' => Duration::from_nanos(amount),
        _ => return None,
    })
}

fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0_u64, |number, digit| {
        let digit = u64::from(digit - b'0');
        number.saturating_mul(10).saturating_add(digit)
    });
    Some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn left(headers: &[(&'static str, &str)]) -> Option<Duration> {
        let map = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        time_left(&DeadlineSettings::default(), &map)
    }

    #[test]
    fn the_least_of_what_a_caller_says_counts_and_no_more_than_the_most() {
        let (ours, envoy, grpc) = (
            "x-request-timeout-ms",
            "x-envoy-expected-rq-timeout-ms",
            "grpc-timeout",
        );
        let millis = |millis| Some(Duration::from_millis(millis));
        for (headers, expected) in [
            (&[][..], None),
            (&[(ours, "1500")], millis(1_500)),
            (&[(ours, "0")], millis(0)),
            (&[(envoy, "250")], millis(250)),
            (&[(ours, "900"), (envoy, "250"), (grpc, "2S")], millis(250)),
            (&[(ours, "900"), (ours, "400")], millis(400)),
            (&[(ours, "60001")], millis(60_000)),
            (&[(ours, "99999999999999999999999999")], millis(60_000)),
        ] {
            assert_eq!(left(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn what_is_no_time_counts_for_nothing() {
        for value in ["", "-1", "+5", "1.5", "5s", " 5", "0x10", "soon", "\u{661}"] {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            let mut headers = HeaderMap::new();
            headers.insert("x-request-timeout-ms", value.clone());
            assert_eq!(
                time_left(&DeadlineSettings::default(), &headers),
                None,
                "{value:?}"
            );
        }
    }

    #[test]
    fn amounts_of_grpc_have_a_unit_and_at_most_eight_digits() {
        let micros = |micros| Some(Duration::from_micros(micros));
        for (value, expected) in [
            ("3H", micros(60_000_000)),
            ("1M", micros(60_000_000)),
            ("2S", micros(2_000_000)),
            (
                "99999999n",
                micros(99_999).map(|it| it + Duration::from_nanos(999)),
            ),
            ("250m", micros(250_000)),
            ("7u", micros(7)),
            ("123456789m", None),
            ("5", None),
            ("m", None),
            ("5 m", None),
            ("5x", None),
        ] {
            assert_eq!(left(&[("grpc-timeout", value)]), expected, "{value}");
        }
    }

    #[test]
    fn who_reads_no_header_reads_none_of_the_others_either() {
        let settings = DeadlineSettings {
            header: None,
            ..DeadlineSettings::default()
        };
        let mut headers = HeaderMap::new();
        headers.insert(&GRPC_TIMEOUT, HeaderValue::from_static("1S"));
        assert_eq!(time_left(&settings, &headers), None);
    }
}
