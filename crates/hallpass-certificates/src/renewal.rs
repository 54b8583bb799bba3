//! When the next certificate is asked for, as a function of what is known.

use std::time::Duration;

use crate::settings::CertificateSettings;

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long after it came a certificate of this `life` is renewed; `dice` is from 0 to 1.
pub(crate) fn after(life: Duration, settings: &CertificateSettings, dice: f64) -> Duration {
    let percent = f64::from(settings.renew_at_percent.clamp(10, 80));
    let jitter = f64::from(settings.jitter_percent.min(10));
    let part = (percent + jitter * (2.0 * dice.clamp(0.0, 1.0) - 1.0)) / 100.0;
    life.mul_f64(part.clamp(0.05, 0.9))
}

/// How long to wait after so many failures in a row, or for as long as the authority asks to be left alone.
pub(crate) fn pause(failures: u32, asked: Option<Duration>, dice: f64) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.min(6));
    let pause = doubled
        .min(LONGEST_PAUSE)
        .mul_f64(0.5 + dice.clamp(0.0, 1.0) / 2.0);
    pause.max(asked.unwrap_or_default().min(LONGEST_PAUSE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_a_life_is_left_when_it_is_renewed_a_tenth_more_or_less() {
        let from = "https://a.example/ca/v1/certificate".parse().unwrap();
        let settings = CertificateSettings::new(from, "x");
        let life = Duration::from_secs(3_600);
        let after = |dice| after(life, &settings, dice).as_secs();
        assert_eq!([after(0.0), after(0.5), after(1.0)], [1_440, 1_800, 2_160]);
    }

    #[test]
    fn whatever_the_settings_say_a_tenth_of_the_life_is_left_for_failures() {
        let from = "https://a.example/ca/v1/certificate".parse().unwrap();
        let settings = CertificateSettings {
            renew_at_percent: 100,
            ..CertificateSettings::new(from, "x")
        };
        let life = Duration::from_secs(3_600);
        assert_eq!(after(life, &settings, 1.0).as_secs(), 3_240);
    }

    #[test]
    fn an_issuer_that_is_down_is_asked_less_and_less_often_and_never_less_than_each_minute() {
        let seconds = |failures| pause(failures, None, 1.0).as_secs();
        assert_eq!([0, 1, 2, 5, 6, 60].map(seconds), [1, 2, 4, 32, 60, 60]);
        let asked = Some(Duration::from_secs(30));
        assert_eq!(pause(0, asked, 0.0), Duration::from_secs(30));
        assert_eq!(
            pause(0, Some(Duration::from_secs(9_999)), 0.0).as_secs(),
            60
        );
    }
}
