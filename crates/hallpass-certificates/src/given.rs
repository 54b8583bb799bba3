//! What the authority has given, read and looked at.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;

use crate::error::CertificateError;

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";
/// No certificate of the authority lives longer.
const LONGEST: u64 = 24 * 60 * 60;

/// A certificate with its bundle.
#[derive(Debug, Deserialize)]
pub(crate) struct Given {
    pub(crate) certificate_chain: String,
    pub(crate) bundle: String,
    /// In seconds since 1970, by the clock of the issuer.
    pub(crate) not_after: u64,
    renew_after: u64,
}

impl Given {
    /// # Errors
    /// [`CertificateError::Unusable`] for what is no certificate for the key `public`, or does not say for how long it counts.
    pub(crate) fn read(json: &[u8], public: &[u8]) -> Result<Self, CertificateError> {
        let unusable = |problem| CertificateError::Unusable { problem };
        let given: Self = serde_json::from_slice(json)
            .map_err(|_| unusable("it is not the JSON of a certificate"))?;
        check_bundle(&given.bundle)?;
        let own = first(&given.certificate_chain).ok_or(unusable("it holds no certificate"))?;
        if !own.windows(public.len()).any(|part| part == public) {
            return Err(unusable("the certificate is for another key"));
        }
        match given.life() {
            Some(_) => Ok(given),
            None => Err(unusable("it does not say when to renew it")),
        }
    }

    /// For how long it counts since it was given: it is to be renewed when half of that is over.
    pub(crate) fn life(&self) -> Option<Duration> {
        let half = self.not_after.checked_sub(self.renew_after)?;
        let life = half.checked_mul(2)?;
        (1..=LONGEST + 1)
            .contains(&life)
            .then(|| Duration::from_secs(life))
    }
}

/// Whether it is what peers can trust.
///
/// # Errors
/// [`CertificateError::Unusable`].
pub(crate) fn check_bundle(bundle: &str) -> Result<(), CertificateError> {
    let is_whole =
        first(bundle).is_some() && bundle.matches(BEGIN).count() == bundle.matches(END).count();
    let problem = "the bundle holds no certificate, or not the whole of one";
    match is_whole {
        true => Ok(()),
        false => Err(CertificateError::Unusable { problem }),
    }
}

/// The first certificate in `pem`, in DER.
fn first(pem: &str) -> Option<Vec<u8>> {
    let (_, rest) = pem.split_once(BEGIN)?;
    let (body, _) = rest.split_once(END)?;
    let text: String = body.split_ascii_whitespace().collect();
    let der = BASE64.decode(text).ok()?;
    (!der.is_empty()).then_some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text `key` in a certificate that is none.
    const PEM: &str = "-----BEGIN CERTIFICATE-----\na2V5\n-----END CERTIFICATE-----\n";

    fn json(chain: &str, bundle: &str, moments: (u64, u64)) -> Vec<u8> {
        let (renew_after, not_after) = moments;
        let given = serde_json::json!({
            "certificate_chain": chain, "bundle": bundle, "renew_after": renew_after, "not_after": not_after,
        });
        given.to_string().into_bytes()
    }

    #[test]
    fn what_is_given_is_for_the_key_that_was_made_and_says_for_how_long() {
        let read = |json: &[u8]| Given::read(json, b"key");
        let given = read(&json(PEM, PEM, (1_800, 3_600))).unwrap();
        assert_eq!(given.life(), Some(Duration::from_secs(3_600)));
        let other = json(PEM, PEM, (1_800, 3_600));
        assert!(Given::read(&other, b"other").is_err(), "another key");
        for unusable in [
            b"{}".to_vec(),
            b"<html>".to_vec(),
            json("", PEM, (1, 2)),
            json(PEM, "", (1, 2)),
            json(PEM, &PEM.replace("END", "end"), (1, 2)),
            json(PEM, PEM, (2, 1)),
            json(PEM, PEM, (2, 2)),
            json(PEM, PEM, (0, 86_400)),
        ] {
            assert!(read(&unusable).is_err(), "{unusable:?}");
        }
    }
}
