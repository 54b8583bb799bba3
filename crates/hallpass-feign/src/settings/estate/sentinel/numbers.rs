//! Decimal numbers, exactly.

/// Thousandths of a number such as `0.6` or `200.0`; `None` for what is none, and for one with more digits behind the point.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) || fraction.len() > 3 {
        return None;
    }
    let fraction: u64 = format!("{fraction:0<3}").parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000)?
        .checked_add(fraction)
}

/// Whole percent of a ratio; `None` for what is none.
pub(super) fn percent(text: &str) -> Option<u64> {
    let thousandths = thousandths(text)?;
    (thousandths <= 1_000 && thousandths % 10 == 0).then_some(thousandths / 10)
}

/// The greatest number that divides both.
pub(super) const fn common_divisor(mut one: u64, mut other: u64) -> u64 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_exactly_or_not_at_all() {
        assert_eq!(thousandths("200.0"), Some(200_000));
        assert_eq!(thousandths("2.5"), Some(2_500));
        assert_eq!(percent("0.6"), Some(60));
        assert_eq!(percent("1.0"), Some(100));
        assert_eq!(percent("0.29"), Some(29));
        for text in [
            "",
            ".5",
            "-1",
            "1e3",
            "0.1234",
            "NaN",
            "18446744073709551615",
        ] {
            assert_eq!(thousandths(text), None, "{text}");
        }
        for text in ["0.605", "1.01"] {
            assert_eq!(percent(text), None, "{text}");
        }
        assert_eq!(common_divisor(2_500, 1_000), 500);
    }
}
