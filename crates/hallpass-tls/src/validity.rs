//! From when to when a certificate is valid (RFC 5280 section 4.1.2.5).
//!
//! It is read for our own certificates, for the metric and for messages; whether a peer's certificate is valid is decided by the TLS
//! library.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::pki_types::CertificateDer;

use crate::der::{SEQUENCE, element, from_validity};

const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SECONDS_A_DAY: u64 = 86_400;

/// The `notBefore` and `notAfter` of a certificate, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) begins: SystemTime,
    pub(crate) ends: SystemTime,
}

impl Validity {
    /// `None` when it is not where RFC 5280 puts it.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (tag, validity, _) = element(from_validity(certificate)?)?;
        if tag != SEQUENCE {
            return None;
        }
        let (tag, begins, rest) = element(validity)?;
        let begins = moment(tag, std::str::from_utf8(begins).ok()?);
        let (tag, ends, _) = element(rest)?;
        Some(Self {
            // Some authorities begin in 1950, which is always.
            begins: begins.unwrap_or(UNIX_EPOCH),
            ends: moment(tag, std::str::from_utf8(ends).ok()?)?,
        })
    }

    pub(crate) fn contains(self, now: SystemTime) -> bool {
        (self.begins..=self.ends).contains(&now)
    }
}

/// The `notAfter` of a certificate; `None` when it is not where RFC 5280 puts it.
pub(crate) fn not_after(certificate: &CertificateDer<'_>) -> Option<SystemTime> {
    Validity::of(certificate).map(|validity| validity.ends)
}

/// `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
fn moment(tag: u8, text: &str) -> Option<SystemTime> {
    let text = text.strip_suffix('Z')?;
    let (year, rest) = match tag {
        UTC_TIME => {
            let year = number(text, 0, 2)?;
            // RFC 5280: 50 to 99 are of the last century.
            (
                if year < 50 {
                    2_000 + year
                } else {
                    1_900 + year
                },
                2,
            )
        }
        GENERALIZED_TIME => (number(text, 0, 4)?, 4),
        _ => return None,
    };
    let part = |index: usize| number(text, rest + 2 * index, 2);
    let days = days_since_1970(year, part(0)?, part(1)?)?;
    let seconds = part(2)? * 3_600 + part(3)? * 60 + part(4)?;
    let since = days.checked_mul(SECONDS_A_DAY)?.checked_add(seconds)?;
    UNIX_EPOCH.checked_add(Duration::from_secs(since))
}

fn number(text: &str, from: usize, digits: usize) -> Option<u64> {
    text.get(from..from + digits)?.parse().ok()
}

/// Days of the Gregorian calendar; `None` before 1970, where no certificate ends.
fn days_since_1970(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // The year begins in March, so that the leap day is its last one.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year.checked_sub(1)?, month + 9)
    };
    let leap_days = year / 4 - year / 100 + year / 400;
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    // Days from 1 March of the year 0 to 1 January 1970.
    (year * 365 + leap_days + day_of_year).checked_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(year: i32, month: u8, day: u8) -> u64 {
        let mut params = rcgen::CertificateParams::new(["a.example".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let end = not_after(certificate.der()).unwrap();
        end.duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms_of_time() {
        assert_eq!(ends(2026, 11, 26), 1_795_651_200);
        assert_eq!(ends(2028, 2, 29), 1_835_395_200);
        assert_eq!(ends(2028, 3, 1), 1_835_481_600);
        assert_eq!(ends(2049, 12, 31), 2_524_521_600);
        // From 2050 on it is written as GeneralizedTime.
        assert_eq!(ends(2050, 1, 1), 2_524_608_000);
        assert_eq!(ends(4096, 1, 1), 67_090_118_400);
    }

    #[test]
    fn both_ends_of_a_certificate_are_read_and_count() {
        let authority = crate::TestAuthority::new("Test CA");
        let [begins, ends] =
            [1_900_000_000, 1_900_000_060].map(|at| UNIX_EPOCH + Duration::from_secs(at));
        let certificate = authority.certificate_between(&["a.example"], begins, ends);
        let pem = crate::pem::certificates("a".as_ref(), certificate.certificate_pem.as_bytes());
        let validity = Validity::of(&pem.unwrap()[0]).unwrap();
        assert_eq!(validity, Validity { begins, ends });
        assert!(validity.contains(begins) && validity.contains(ends));
        let second = Duration::from_secs(1);
        assert!(!validity.contains(begins - second) && !validity.contains(ends + second));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for bytes in [
            &b""[..],
            b"\x30",
            b"\x30\x84\xff\xff\xff\xff",
            b"\x30\x03\x30\x01\x00",
            b"text",
        ] {
            assert_eq!(not_after(&CertificateDer::from(bytes)), None);
        }
    }
}
