//! `NumericDate` (RFC 7519 section 2): a JSON number of seconds, which may have a fraction and an exponent.
//!
//! Read from its text, digit by digit: as a floating point number it would be rounded to whatever is near, and a large
//! exponent would become infinity.

use crate::time::UnixTime;

/// To which side a fraction of a second is rounded: the one on which the token is good for less time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Round {
    /// For an end.
    Down,
    /// For a begin.
    Up,
}

/// Why a value is not a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not a number that is zero or more.
    Type,
    /// Beyond [`UnixTime::MAX`].
    Range,
}

/// Reads a JSON value, given as its text. That the text is JSON is not checked: a JSON reader has cut it out.
pub(super) fn parse(text: &str, round: Round) -> Result<UnixTime, Fault> {
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Fault::Type);
    }
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = || whole.bytes().chain(fraction.bytes());
    if digits().all(|digit| digit == b'0') {
        return Ok(UnixTime::from_secs(0));
    }
    // How many of the digits stand before the point once the exponent has moved it.
    let length = |text: &str| i64::try_from(text.len()).unwrap_or(i64::MAX);
    let point = length(whole).saturating_add(read_exponent(exponent));
    let before = usize::try_from(point.max(0)).unwrap_or(usize::MAX);
    // A digit other than 0 comes within the length of the text, so that a huge exponent ends this loop at once.
    let zeros = std::iter::repeat(b'0');
    let mut seconds = 0_u64;
    for digit in digits().chain(zeros).take(before) {
        seconds = seconds
            .saturating_mul(10)
            .saturating_add(u64::from(digit.saturating_sub(b'0')));
        if seconds > UnixTime::MAX.as_secs() {
            return Err(Fault::Range);
        }
    }
    if round == Round::Up && digits().skip(before).any(|digit| digit != b'0') {
        seconds = seconds.saturating_add(1);
    }
    if seconds > UnixTime::MAX.as_secs() {
        return Err(Fault::Range);
    }
    Ok(UnixTime::from_secs(seconds))
}

/// An exponent; one that is too long for a number is as good as the largest.
fn read_exponent(text: &str) -> i64 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    sign * digits.parse().unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::{Fault, Round, parse};
    use crate::UnixTime;

    fn both(text: &str) -> [Result<u64, Fault>; 2] {
        [Round::Down, Round::Up].map(|round| parse(text, round).map(UnixTime::as_secs))
    }

    #[test]
    fn whole_numbers_are_what_they_say_however_they_are_written() {
        for text in [
            "1700000000",
            "1700000000.0",
            "1700000000.000",
            "1.7e9",
            "1.7E9",
            "1.7e+9",
            "17e08",
            "17000000000e-1",
            "0.0000000017e18",
        ] {
            assert_eq!(both(text), [Ok(1_700_000_000); 2], "{text}");
        }
        for text in ["0", "0.0", "0e5", "0e99999999999999999999", "0.00e-7"] {
            assert_eq!(both(text), [Ok(0); 2], "{text}");
        }
    }

    #[test]
    fn a_fraction_shortens_the_life_of_a_token_and_never_lengthens_it() {
        for (text, down, up) in [
            ("1700000000.5", 1_700_000_000, 1_700_000_001),
            (
                "1700000000.000000000000000000001",
                1_700_000_000,
                1_700_000_001,
            ),
            (
                "1700000000.999999999999999999999",
                1_700_000_000,
                1_700_000_001,
            ),
            ("1.7000000005e9", 1_700_000_000, 1_700_000_001),
            ("17000000005e-1", 1_700_000_000, 1_700_000_001),
            ("0.1", 0, 1),
            ("1e-99999999999999999999", 0, 1),
            ("253402300798.5", 253_402_300_798, 253_402_300_799),
        ] {
            assert_eq!(both(text), [Ok(down), Ok(up)], "{text}");
        }
    }

    #[test]
    fn what_is_beyond_the_year_9999_is_refused() {
        assert_eq!(both("253402300799"), [Ok(253_402_300_799); 2]);
        assert_eq!(
            both("253402300799.5"),
            [Ok(253_402_300_799), Err(Fault::Range)]
        );
        for text in [
            "253402300800",
            "1700000000000",
            "1e12",
            "1e400",
            "1e99999999999999999999",
            "18446744073709551616",
            "99999999999999999999999999999999",
        ] {
            assert_eq!(both(text), [Err(Fault::Range); 2], "{text}");
        }
    }

    #[test]
    fn only_numbers_from_zero_on_are_moments() {
        for text in [
            "-1", "-0", "-0.0", "-1e9", "\"1\"", "null", "true", "[1]", "{}",
        ] {
            assert_eq!(both(text), [Err(Fault::Type); 2], "{text}");
        }
    }
}
