//! Spans of time as Spring writes them, for keys that count seconds or milliseconds.

use std::time::Duration;

/// How many nanoseconds a unit has; without one, `None`. Spring's `DurationStyle.SIMPLE`.
fn unit_nanos(unit: &str) -> Option<u128> {
    const SECOND: u128 = 1_000_000_000;
    Some(match unit.to_ascii_lowercase().as_str() {
        "ns" => 1,
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3_600 * SECOND,
        "d" => 86_400 * SECOND,
        _ => return None,
    })
}

/// The number of `unit`s (`s` or `ms`) in a text such as `540`, `540s`, `9m` or `PT9M` (ISO 8601, as `java.time.Duration`
/// reads it). `None` for anything else, and for a span that is no whole number of them.
pub(crate) fn whole_units(text: &str, unit: &str) -> Option<u64> {
    let text = text.trim();
    if is_digits(text) {
        return text.parse().ok();
    }
    let nanos = simple(text).or_else(|| iso(text))?;
    let of_unit = unit_nanos(unit)?;
    (nanos % of_unit == 0)
        .then(|| u64::try_from(nanos / of_unit).ok())
        .flatten()
}

/// A span as Spring reads one where the property says nothing of a unit: a number alone counts milliseconds.
pub(crate) fn span(text: &str) -> Option<Duration> {
    let text = text.trim();
    let nanos = match is_digits(text) {
        true => amount(text)?.checked_mul(unit_nanos("ms")?)?,
        false => simple(text).or_else(|| iso(text))?,
    };
    u64::try_from(nanos).ok().map(Duration::from_nanos)
}

/// A number and a unit, in nanoseconds.
fn simple(text: &str) -> Option<u128> {
    let (number, unit) = text.split_at_checked(text.find(|it: char| !it.is_ascii_digit())?)?;
    amount(number)?.checked_mul(unit_nanos(unit.trim_start())?)
}

/// `P1DT2H3M4.5S` in nanoseconds, with the parts in this order and at least one of them.
fn iso(text: &str) -> Option<u128> {
    let upper = text.to_ascii_uppercase();
    let rest = upper.strip_prefix('P')?;
    let (date, time) = match rest.split_once('T') {
        Some((date, time)) if !time.is_empty() => (date, time),
        Some(_) => return None,
        None => (rest, ""),
    };
    let mut total: u128 = 0;
    let mut parts = 0;
    for (mut part, units) in [(date, "D"), (time, "HMS")] {
        for unit in units.chars() {
            if let Some((number, rest)) = part.split_once(unit) {
                let nanos = if unit == 'S' {
                    seconds(number)?
                } else {
                    amount(number)?.checked_mul(unit_nanos(unit.encode_utf8(&mut [0; 4]))?)?
                };
                total = total.checked_add(nanos)?;
                (part, parts) = (rest, parts + 1);
            }
        }
        if !part.is_empty() {
            return None;
        }
    }
    (parts > 0).then_some(total)
}

/// Seconds with up to nine digits behind the point, in nanoseconds.
fn seconds(text: &str) -> Option<u128> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    if !is_digits(fraction) || fraction.len() > 9 {
        return None;
    }
    let nanos = amount(&format!("{fraction:0<9}"))?;
    amount(whole)?
        .checked_mul(unit_nanos("s")?)?
        .checked_add(nanos)
}

fn amount(digits: &str) -> Option<u128> {
    is_digits(digits).then(|| digits.parse().ok()).flatten()
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_read_in_each_of_springs_forms() {
        for (text, seconds) in [
            ("540", 540),
            ("540s", 540),
            ("540 S", 540),
            ("9m", 540),
            ("2h", 7_200),
            ("1d", 86_400),
            ("3000ms", 3),
            ("PT9M", 540),
            ("pt9m", 540),
            ("PT1H30M", 5_400),
            ("P1D", 86_400),
            ("P1DT1S", 86_401),
            ("PT9.0S", 9),
            (" 9m ", 540),
        ] {
            assert_eq!(whole_units(text, "s"), Some(seconds), "{text}");
        }
        for (text, millis) in [("3", 3), ("3s", 3_000), ("PT0.25S", 250), ("5000us", 5)] {
            assert_eq!(whole_units(text, "ms"), Some(millis), "{text}");
        }
    }

    #[test]
    fn a_number_alone_counts_milliseconds_where_nothing_is_said_of_a_unit() {
        for (text, nanos) in [
            ("3", 3_000_000),
            ("500ns", 500),
            ("1s", 1_000_000_000),
            ("PT0.5S", 500_000_000),
        ] {
            assert_eq!(span(text), Some(Duration::from_nanos(nanos)), "{text}");
        }
        for text in ["", "-1", "soon", "99999999999d"] {
            assert_eq!(span(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_no_whole_number_of_the_unit_is_no_span() {
        for text in [
            "",
            "s",
            "m9",
            "9x",
            "9mm",
            "9.5m",
            "1500ms",
            "-9m",
            "+9m",
            "P",
            "PT",
            "P9M",
            "PT9",
            "PT9S8M",
            "PT0.5S",
            "PT1.0000000001S",
            "PT-9M",
            "9m 3s",
            "9\u{661}s",
            "340282366920938463463374607431768211456s",
            "213503982334602d",
        ] {
            assert_eq!(whole_units(text, "s"), None, "{text}");
        }
    }
}
