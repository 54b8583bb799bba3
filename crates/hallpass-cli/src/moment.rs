//! Moments as they are printed.

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Seconds since 1970 as a moment in UTC such as `2026-12-31T18:00:00Z` (RFC 3339); one past the year 9999 stays a number.
pub(crate) fn text(seconds: u64) -> String {
    let moment = i64::try_from(seconds).ok();
    let moment = moment.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let text = moment.and_then(|moment| moment.format(&Rfc3339).ok());
    text.unwrap_or_else(|| seconds.to_string())
}

/// Seconds since 1970 of a moment such as `2026-12-31T18:00:00Z` (RFC 3339), in whatever zone.
pub(crate) fn parse(text: &str) -> Result<u64, &'static str> {
    const SAY: &str = "must be a moment such as 2026-12-31T18:00:00Z";
    let moment = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| SAY)?;
    u64::try_from(moment.unix_timestamp()).map_err(|_| SAY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_in_every_zone() {
        assert_eq!(parse("2026-12-31T18:00:00Z"), Ok(1_798_740_000));
        assert_eq!(parse("2026-12-31T19:00:00+01:00"), Ok(1_798_740_000));
        for bad in ["", "2026-12-31", "1969-12-31T23:59:59Z", "1798740000"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_moment_is_printed_as_people_write_it_and_none_is_lost() {
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(1_798_740_000), "2026-12-31T18:00:00Z");
        assert_eq!(text(u64::MAX), u64::MAX.to_string());
    }
}
