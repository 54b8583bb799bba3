//! The authorities in memory: the one that signs, and the bundle that peers trust.
//!
//! The private key is parsed once, when a snapshot is built; the bundle is rendered once, with its ETag.

use std::time::{Duration, SystemTime};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD as BASE64, URL_SAFE_NO_PAD as BASE64URL};
use bytes::Bytes;
use hallpass_tls::{CallerAuthorities, PeerCertificates, SigningRequest};
use hallpass_token::UnixTime;
use http::HeaderValue;
use rcgen::Issuer;

use super::ca_key::CaKey;
use super::certificate::{self, BEGINS_BEFORE, Circumstances, RequestedPublicKey, Serial};
use super::record::{AuthorityRecord, AuthorityState};
use super::rotation::MAX_CERTIFICATE_LIFE;
use crate::clients::certificate_names::CertificateNames;
use crate::token::refusal::CertificateFault;
use crate::token::shown::Shown;

/// Characters of a line of PEM (RFC 7468 section 2).
const PEM_LINE: usize = 64;

/// An immutable snapshot of the authorities.
#[derive(Debug)]
pub(crate) struct AuthorityRing {
    signer: Issuer<'static, CaKey>,
    /// When the certificate of the one that signs ends: nothing that it signs counts longer.
    ends_at: UnixTime,
    trust_domain: String,
    /// Those of all states, in PEM.
    bundle: Bytes,
    etag: HeaderValue,
    /// The same, to tell our own certificates by.
    all: CallerAuthorities,
}

/// A certificate, with all that its owner needs.
#[derive(Debug)]
pub(crate) struct IssuedCertificate {
    pub(crate) pem: String,
    /// In hexadecimal.
    pub(crate) serial: String,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    /// When half of its life is over.
    pub(crate) renew_after: UnixTime,
}

impl AuthorityRing {
    /// A ring of `records`, of which one signs.
    ///
    /// # Errors
    /// What is wrong with the records.
    pub(crate) fn new(records: &[AuthorityRecord], trust_domain: &str) -> Result<Self, String> {
        let mut signing = records
            .iter()
            .filter(|it| it.state == AuthorityState::Signing);
        let signing = signing.next().ok_or("no certificate authority signs")?;
        let params = certificate::signer(&signing.id, &signing.trust_domain);
        let bundle = bundle(records);
        let digest = digest::digest(&digest::SHA256, bundle.as_bytes());
        let etag = format!("\"{}\"", BASE64URL.encode(digest));
        let all = records.iter().map(|it| it.certificate.as_slice());
        Ok(Self {
            signer: Issuer::new(params, signing.key()?),
            ends_at: signing.not_after,
            trust_domain: trust_domain.to_owned(),
            bundle: bundle.into(),
            etag: HeaderValue::try_from(etag).map_err(|_| "the ETag cannot be written")?,
            all: CallerAuthorities::new(all).map_err(|error| error.to_string())?,
        })
    }

    /// What peers trust, in PEM.
    pub(crate) const fn bundle(&self) -> &Bytes {
        &self.bundle
    }

    pub(crate) const fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    /// A certificate of `names` for the key of `request`, for a `life` from `now` on, or for as long as its authority lasts.
    ///
    /// # Errors
    /// [`CertificateFault::NotRegistered`] for names of another trust domain, [`CertificateFault::Signing`], and
    /// [`CertificateFault::Unavailable`] when the authority has ended.
    pub(crate) fn issue(
        &self,
        request: &SigningRequest,
        names: &CertificateNames,
        life: Duration,
        now: UnixTime,
    ) -> Result<IssuedCertificate, CertificateFault> {
        if !is_of(&names.spiffe_id, &self.trust_domain) {
            return Err(CertificateFault::NotRegistered);
        }
        let not_after = now.saturating_add(life.min(MAX_CERTIFICATE_LIFE));
        let not_after = not_after.min(self.ends_at);
        if not_after <= now {
            return Err(CertificateFault::Unavailable);
        }
        let key = RequestedPublicKey::of(request).ok_or(CertificateFault::Signing)?;
        let it = Circumstances {
            not_before: now.saturating_sub(BEGINS_BEFORE),
            not_after,
            serial: Serial::draw().ok_or(CertificateFault::Signing)?,
        };
        let signed = certificate::leaf(names, &self.trust_domain, &it)
            .and_then(|params| params.signed_by(&key, &self.signer));
        let signed = signed.map_err(|error| {
            tracing::error!(%error, "a certificate could not be signed");
            CertificateFault::Signing
        })?;
        Ok(IssuedCertificate {
            pem: pem(signed.der()),
            serial: it.serial.text(),
            not_before: it.not_before,
            not_after,
            renew_after: now.saturating_add(not_after.duration_since(now) / 2),
        })
    }

    /// What the connection has shown, when one of these authorities has made it and it is good at `now`, whoever the listener trusts.
    pub(crate) fn own(&self, shown: Shown<'_>, now: UnixTime) -> Option<PeerCertificates> {
        let now = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(now.as_secs()))?;
        match (shown.verified(), shown.unverified()) {
            (Some(caller), _) => self.all.vouch_for(caller, now).then(|| caller.clone()),
            (None, Some(caller)) => self.all.verified(caller, now),
            (None, None) => None,
        }
    }
}

/// Whether a SPIFFE id is one of a workload of `trust_domain`.
fn is_of(spiffe_id: &str, trust_domain: &str) -> bool {
    let path = spiffe_id.strip_prefix("spiffe://");
    let path = path.and_then(|rest| rest.strip_prefix(trust_domain));
    path.is_some_and(|path| path.starts_with('/'))
}

/// The certificates of `records` in PEM, one after the other.
pub(crate) fn bundle(records: &[AuthorityRecord]) -> String {
    records.iter().map(|it| pem(&it.certificate)).collect()
}

fn pem(der: &[u8]) -> String {
    let text = BASE64.encode(der);
    let mut pem = String::with_capacity(text.len() + text.len() / PEM_LINE + 64);
    pem.push_str("-----BEGIN CERTIFICATE-----\n");
    for (place, character) in text.chars().enumerate() {
        if place > 0 && place.is_multiple_of(PEM_LINE) {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END CERTIFICATE-----\n");
    pem
}

#[cfg(test)]
mod tests;
