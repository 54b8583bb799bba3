//! Who is at the other end of a connection.

use std::sync::Arc;

use aws_lc_rs::digest;
use rustls::pki_types::CertificateDer;

/// The certificates that a caller has shown, its own first, and that were found good: among the extensions of each request
/// that came over such a connection. Absent without TLS, where the caller has shown none, and where it has shown one of no
/// authority that the listener trusts ([`UnverifiedPeerCertificates`]).
///
/// It proves which key the caller has (a token may be bound to it, RFC 8705 section 3), and nothing about what it may do.
///
/// `hallpass-listen` sets it. A server of your own that does must have verified the chain and the proof of the private key,
/// and must let no request bring it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificates(Arc<Shown>);

/// The same of a certificate that anybody may have made, with any name in it: it says nothing but that the caller has its private
/// key. It counts for who compares the whole of it with what was registered or written down before (RFC 8705 sections 2.2 and 3).
/// A listener with [`ClientAuth::Any`](crate::ClientAuth::Any) alone lets such a caller connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnverifiedPeerCertificates(Arc<Shown>);

/// What a caller has shown, by what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownCertificates {
    /// From an authority that the listener trusts.
    Verified(PeerCertificates),
    /// From anybody.
    Unverified(UnverifiedPeerCertificates),
}

/// What is known of a caller at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallerNow {
    /// It has shown this, and it counts.
    Known(ShownCertificates),
    /// Nothing was shown that counts, or that is asked for.
    Nobody,
    /// The listener demands a certificate, and would let it connect no more.
    Refused,
}

#[derive(Debug, PartialEq, Eq)]
struct Shown {
    chain: Box<[CertificateDer<'static>]>,
    sha256: [u8; 32],
}

impl PeerCertificates {
    /// Of a finished handshake that has verified them; `None` when the peer has shown none.
    #[must_use]
    pub fn new(shown: Option<&[CertificateDer<'static>]>) -> Option<Self> {
        Shown::new(shown).map(Self)
    }

    /// The caller's own certificate, in DER.
    #[must_use]
    pub fn own(&self) -> &[u8] {
        self.0.chain.first().map_or(&[], |certificate| certificate)
    }

    /// SHA-256 of the caller's own certificate, as `x5t#S256` has it (RFC 8705 section 3.1).
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    /// All that it has shown, in DER, its own first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.chain.iter().map(AsRef::as_ref)
    }

    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.0.chain
    }
}

impl UnverifiedPeerCertificates {
    /// Of a finished handshake that has verified the proof of the private key and nothing else; `None` when the peer has shown
    /// none.
    #[must_use]
    pub fn new(shown: Option<&[CertificateDer<'static>]>) -> Option<Self> {
        Shown::new(shown).map(Self)
    }

    /// SHA-256 of the caller's own certificate.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.0.sha256
    }

    pub(crate) fn chain(&self) -> &[CertificateDer<'static>] {
        &self.0.chain
    }

    /// The same of a chain that somebody has found good.
    pub(crate) fn found_good(&self) -> PeerCertificates {
        PeerCertificates(Arc::clone(&self.0))
    }
}

impl Shown {
    fn new(shown: Option<&[CertificateDer<'static>]>) -> Option<Arc<Self>> {
        let chain = shown.filter(|shown| !shown.is_empty())?;
        let mut sha256 = [0; 32];
        let digest = digest::digest(&digest::SHA256, chain.first()?);
        for (to, from) in sha256.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Some(Arc::new(Self {
            chain: chain.into(),
            sha256,
        }))
    }
}
