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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_printed_as_people_write_it_and_none_is_lost() {
        assert_eq!(text(0), "1970-01-01T00:00:00Z");
        assert_eq!(text(1_798_740_000), "2026-12-31T18:00:00Z");
        assert_eq!(text(u64::MAX), u64::MAX.to_string());
    }
}
