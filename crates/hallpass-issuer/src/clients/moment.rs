//! Moments as people write them.

use hallpass_token::UnixTime;

const SECONDS_PER_DAY: u64 = 86_400;

/// A moment in UTC such as `2026-12-31T18:00:00Z` (RFC 3339 section 5.6, without fractions and other zones).
///
/// # Errors
/// What the text must be. A day that its month does not have is none.
pub(crate) fn parse(text: &str) -> Result<UnixTime, &'static str> {
    read(text).ok_or("must be a moment in UTC such as 2026-12-31T18:00:00Z")
}

/// `moment` as [`parse`] reads it; one past the year 9999 as a number.
pub(crate) fn text(moment: UnixTime) -> String {
    let (mut days, seconds) = (
        moment.as_secs() / SECONDS_PER_DAY,
        moment.as_secs() % SECONDS_PER_DAY,
    );
    if moment > UnixTime::MAX {
        return moment.as_secs().to_string();
    }
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut month = 1;
    while days >= days_of(year, month) {
        days -= days_of(year, month);
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let day = days + 1;
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn read(text: &str) -> Option<UnixTime> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let [year, month, day] = numbers(date, '-', [4, 2, 2])?;
    let [hour, minute, second] = numbers(time, ':', [2, 2, 2])?;
    let is_moment = year >= 1970
        && (1..=12).contains(&month)
        && (1..=days_of(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    if !is_moment {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|year| 365 + u64::from(is_leap(year)))
        .sum();
    let months: u64 = (1..month).map(|month| days_of(year, month)).sum();
    let days = years + months + (day - 1);
    Some(UnixTime::from_secs(
        days * SECONDS_PER_DAY + hour * 3_600 + minute * 60 + second,
    ))
}

/// Three numbers of so many digits each.
fn numbers(text: &str, between: char, digits: [usize; 3]) -> Option<[u64; 3]> {
    let mut parts = text.split(between);
    let mut next = |digits: usize| {
        let part = parts.next()?;
        let is_number = part.len() == digits && part.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| part.parse::<u64>().ok()).flatten()
    };
    let [first, second, third] = digits;
    let numbers = [next(first)?, next(second)?, next(third)?];
    parts.next().is_none().then_some(numbers)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const fn days_of(year: u64, month: u64) -> u64 {
    match month {
        2 => 28 + is_leap(year) as u64,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_the_second_that_it_names() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2024-03-01T00:00:00Z", 1_709_251_200),
            ("2027-01-15T08:00:00Z", 1_800_000_000),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
        ] {
            assert_eq!(parse(text), Ok(UnixTime::from_secs(seconds)), "{text}");
            assert_eq!(super::text(UnixTime::from_secs(seconds)), text);
        }
        let late = UnixTime::from_secs(u64::MAX);
        assert_eq!(text(late), u64::MAX.to_string());
    }

    #[test]
    fn what_is_no_moment_in_utc_is_refused() {
        for text in [
            "",
            "2026-12-31",
            "2026-12-31T18:00:00",
            "2026-12-31T18:00:00+01:00",
            "2026-12-31 18:00:00Z",
            "2026-12-31T18:00:00.5Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "2026-04-31T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "1969-12-31T23:59:59Z",
            "2026-1-01T00:00:00Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01-01T00:00:00Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
