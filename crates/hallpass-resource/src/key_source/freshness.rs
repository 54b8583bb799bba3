//! How long fetched keys are believed: the issuer's `Cache-Control`, within our bounds.

use std::time::Duration;

use hallpass_upstream::random_fraction;
use http::HeaderMap;
use http::header::CACHE_CONTROL;

use super::limits::KeyLimits;

/// The moments at which a snapshot changes its standing, on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Freshness {
    /// From here on a request starts a fetch in the background.
    pub(super) renew_at: Duration,
    /// From here on a request waits a moment for that fetch.
    pub(super) fresh_until: Duration,
    /// From here on the keys are not used any more.
    pub(super) last_use: Duration,
}

impl Freshness {
    pub(super) const FOREVER: Self = Self {
        renew_at: Duration::MAX,
        fresh_until: Duration::MAX,
        last_use: Duration::MAX,
    };

    pub(super) fn new(limits: &KeyLimits, now: Duration, max_age: Option<Duration>) -> Self {
        let age = max_age
            .unwrap_or(limits.default_age)
            .min(limits.max_age)
            .max(limits.min_age);
        // Renewal falls between 75 % and 90 % of the age, so that many instances do not ask at once.
        let renew_after = age.mul_f64(0.75 + 0.15 * random_fraction());
        let fresh_until = now.saturating_add(age);
        Self {
            renew_at: now.saturating_add(renew_after),
            fresh_until,
            last_use: fresh_until.saturating_add(limits.last_good_for),
        }
    }
}

/// The `max-age` of a response; zero for `no-store` and `no-cache`; none when there is none that can be read.
pub(super) fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut found = None;
    for directive in directives.flat_map(|value| value.split(',')).map(str::trim) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") {
            found = value
                .trim_matches('"')
                .parse()
                .ok()
                .map(Duration::from_secs)
                .or(found);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(value: &'static str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static(value));
        max_age(&headers)
    }

    #[test]
    fn max_age_is_read_as_the_rfc_writes_it() {
        assert_eq!(of("public, max-age=600"), Some(Duration::from_secs(600)));
        assert_eq!(
            of("Max-Age=\"60\", must-revalidate"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(of("max-age=600, no-store"), Some(Duration::ZERO));
        assert_eq!(of("no-cache"), Some(Duration::ZERO));
        assert_eq!(of("max-age=-1"), None);
        assert_eq!(of("max-age=99999999999999999999999"), None);
        assert_eq!(of("s-maxage=5"), None);
        assert_eq!(max_age(&HeaderMap::new()), None);
    }

    /// Issuer side (vault#27929): what all have fetched at one moment, all fetched again at one moment.
    #[test]
    fn sets_that_were_fetched_at_one_moment_are_not_renewed_at_one_moment() {
        let age = Some(Duration::from_secs(1_000));
        let renewed = |_| Freshness::new(&KeyLimits::default(), Duration::ZERO, age).renew_at;
        let moments: Vec<_> = (0..200).map(renewed).collect();
        let (first, last) = (moments.iter().min().unwrap(), moments.iter().max().unwrap());
        // By chance alone this fails once in some ten million runs.
        assert!(
            *last - *first > Duration::from_secs(120),
            "{first:?} {last:?}"
        );
    }

    #[test]
    fn the_age_stays_within_the_bounds_and_renewal_comes_before_the_end() {
        let limits = KeyLimits::default();
        let now = Duration::from_secs(1000);
        for (said, expected) in [
            (Some(0), 10),
            (Some(60), 60),
            (None, 300),
            (Some(u64::MAX), 3600),
        ] {
            let freshness = Freshness::new(&limits, now, said.map(Duration::from_secs));
            let age = Duration::from_secs(expected);
            assert_eq!(freshness.fresh_until, now + age);
            assert_eq!(freshness.last_use, now + age + limits.last_good_for);
            assert!(
                freshness.renew_at >= now + age.mul_f64(0.749)
                    && freshness.renew_at <= now + age.mul_f64(0.901)
            );
        }
    }
}
