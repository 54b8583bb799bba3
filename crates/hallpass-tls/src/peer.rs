//! Who is at the other end of a connection.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;

/// The certificates that a caller has shown, its own first, and that were found good: among the extensions of each request
/// that came over such a connection. Absent without TLS, and where the caller has shown none.
///
/// It proves which key the caller has (a token may be bound to it, RFC 8705 section 3), and nothing about what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerCertificates(Arc<[CertificateDer<'static>]>);

impl PeerCertificates {
    /// Of a finished handshake; `None` when the peer has shown none.
    #[must_use]
    pub fn new(shown: Option<&[CertificateDer<'static>]>) -> Option<Self> {
        shown
            .filter(|shown| !shown.is_empty())
            .map(|shown| Self(shown.into()))
    }

    /// The caller's own certificate, in DER.
    #[must_use]
    pub fn own(&self) -> &[u8] {
        self.0.first().map_or(&[], |certificate| certificate)
    }

    /// All that it has shown, in DER, its own first.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().map(AsRef::as_ref)
    }
}
