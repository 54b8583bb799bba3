//! Spans of time as people write them.

use std::time::Duration;

/// A whole number of seconds, minutes, hours or days.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    const SAY: &str = "must be such as 90s, 15m, 12h or 30d";
    let digits = text.trim_end_matches(|unit: char| unit.is_ascii_alphabetic());
    let (digits, unit) = text.split_at(digits.len());
    let seconds: u64 = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(SAY),
    };
    let number: u64 = digits.parse().map_err(|_| SAY)?;
    let seconds = number.checked_mul(seconds).ok_or(SAY)?;
    Ok(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_its_unit() {
        for (text, seconds) in [
            ("90s", 90),
            ("15m", 900),
            ("12h", 43_200),
            ("30d", 2_592_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)));
        }
        for bad in [
            "",
            "90",
            "s",
            "-1s",
            "1w",
            "1.5h",
            "99999999999999999999d",
            "9999999999999999d",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
