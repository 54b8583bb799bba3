//! Authorities whose certificates are told from all others, whoever the listener trusts.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::error::TlsError;
use crate::key_pair::library;
use crate::peer::{PeerCertificates, UnverifiedPeerCertificates};

/// Authorities that somebody else than the listener believes: who issues certificates tells those of its own so, also behind a
/// listener that trusts other authorities too, or lets anybody in ([`ClientAuth::Any`](crate::ClientAuth::Any)).
///
/// **What it does not check**: the private key, which the handshake of the connection has proven; names; revocation.
#[derive(Clone)]
pub struct CallerAuthorities {
    verifier: Arc<dyn ClientCertVerifier>,
}

impl CallerAuthorities {
    /// Those with these certificates, in DER; at least one.
    ///
    /// # Errors
    /// [`TlsError::Library`] when one of them can be no authority, and without any.
    pub fn new<'c>(certificates: impl IntoIterator<Item = &'c [u8]>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates {
            let certificate = CertificateDer::from(certificate.to_vec());
            roots.add(certificate).map_err(|error| library(&error))?;
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let verifier = verifier.build().map_err(|error| library(&error))?;
        Ok(Self { verifier })
    }

    /// Whether one of them has made the certificate of `caller`, for clients, and it is good at `now`.
    #[must_use]
    pub fn vouch_for(&self, caller: &PeerCertificates, now: SystemTime) -> bool {
        self.have_made(caller.chain(), now)
    }

    /// What `caller` has shown, when one of them has made it, for clients, and it is good at `now`.
    #[must_use]
    pub fn verified(
        &self,
        caller: &UnverifiedPeerCertificates,
        now: SystemTime,
    ) -> Option<PeerCertificates> {
        let is_good = self.have_made(caller.chain(), now);
        is_good.then(|| caller.found_good())
    }

    fn have_made(&self, shown: &[CertificateDer<'static>], now: SystemTime) -> bool {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).ok();
        let (Some((own, others)), Some(since)) = (shown.split_first(), since) else {
            return false;
        };
        let now = UnixTime::since_unix_epoch(since);
        self.verifier.verify_client_cert(own, others, now).is_ok()
    }
}

impl fmt::Debug for CallerAuthorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallerAuthorities").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::pem::PemObject as _;

    use super::*;
    use crate::test_authority::{TestAuthority, TestCertificate};

    fn der(pem: &str) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
    }

    fn unverified(certificate: &TestCertificate) -> UnverifiedPeerCertificates {
        let chain = [der(&certificate.certificate_pem)];
        UnverifiedPeerCertificates::new(Some(&chain)).unwrap()
    }

    #[test]
    fn who_made_a_certificate_is_told_whoever_the_listener_trusts() {
        let (ours, theirs) = (TestAuthority::new("CA"), TestAuthority::new("CA"));
        let root = der(ours.pem());
        let known = CallerAuthorities::new([root.as_ref()]).unwrap();
        let [begin, end] = [1_900_000_000, 1_900_003_600].map(|at| {
            let at = Duration::from_secs(at);
            SystemTime::UNIX_EPOCH + at
        });
        let own = unverified(&ours.certificate_between(&["a.example"], begin, end));
        let second = Duration::from_secs(1);
        for (now, is_good) in [
            (begin - second, false),
            (begin, true),
            (end, true),
            (end + second, false),
        ] {
            let verified = known.verified(&own, now);
            assert_eq!(verified.is_some(), is_good, "{now:?}");
            let shown = PeerCertificates::new(Some(own.chain())).unwrap();
            assert_eq!(known.vouch_for(&shown, now), is_good, "{now:?}");
        }
        assert_eq!(known.verified(&own, end).unwrap().sha256(), own.sha256());
        let foreign = unverified(&theirs.certificate_between(&["a.example"], begin, end));
        assert!(
            known.verified(&foreign, begin).is_none(),
            "of the same name"
        );
        let nobodys = unverified(&TestCertificate::self_signed(&["a.example"]));
        assert!(known.verified(&nobodys, begin).is_none());
        assert!(CallerAuthorities::new([]).is_err());
        assert!(CallerAuthorities::new([&b"x"[..]]).is_err());
    }
}
