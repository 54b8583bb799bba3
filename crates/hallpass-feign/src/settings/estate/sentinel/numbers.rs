//! Decimal numbers, exactly.

/// Thousandths of a number such as `0.6` or `200.0`, without what is smaller; `None` for what is none.
pub(super) fn thousandths(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    let fraction: u64 = fraction.parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1_000)?
        .checked_add(fraction)
}

/// The nearest whole percent of a ratio, and whether it is exactly that; `None` for what is none.
pub(super) fn percent(text: &str) -> Option<(u64, bool)> {
    let thousandths = thousandths(text)?;
    let nearest = thousandths.saturating_add(5) / 10;
    (thousandths <= 1_000).then_some((nearest, thousandths % 10 == 0))
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
    fn numbers_are_read_to_the_thousandth_and_ratios_to_the_nearest_percent() {
        assert_eq!(thousandths("200.0"), Some(200_000));
        assert_eq!(thousandths("2.5"), Some(2_500));
        assert_eq!(thousandths("0.3333"), Some(333));
        assert_eq!(percent("0.6"), Some((60, true)));
        assert_eq!(percent("1.0"), Some((100, true)));
        assert_eq!(percent("0.29"), Some((29, true)));
        assert_eq!(percent("0.333"), Some((33, false)));
        assert_eq!(percent("0.605"), Some((61, false)));
        assert_eq!(percent("1.01"), None);
        for text in ["", ".5", "-1", "1e3", "NaN", "18446744073709551615"] {
            assert_eq!(thousandths(text), None, "{text}");
        }
        assert_eq!(common_divisor(2_500, 1_000), 500);
    }
}
