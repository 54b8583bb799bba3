//! What the connection of a request shows of its caller.

use hallpass_tls::{PeerCertificates, UnverifiedPeerCertificates};
use hallpass_token::Thumbprint;
use http::Extensions;

/// The certificate of the connection, if there is one. Its handshake has proven that the caller has the private key.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shown<'r> {
    verified: Option<&'r PeerCertificates>,
    unverified: Option<&'r UnverifiedPeerCertificates>,
}

impl<'r> Shown<'r> {
    /// As the listener has put it beside the request.
    pub(crate) fn of(extensions: &'r Extensions) -> Self {
        Self {
            verified: extensions.get(),
            unverified: extensions.get(),
        }
    }

    /// One of an authority that is trusted: what it says counts.
    pub(crate) const fn verified(self) -> Option<&'r PeerCertificates> {
        self.verified
    }

    /// One that anybody may have made.
    pub(crate) const fn unverified(self) -> Option<&'r UnverifiedPeerCertificates> {
        self.unverified
    }

    /// Which one it is, whoever made it.
    pub(crate) fn thumbprint(self) -> Option<Thumbprint> {
        let verified = self.verified.map(PeerCertificates::sha256);
        let unverified = || self.unverified.map(UnverifiedPeerCertificates::sha256);
        verified.or_else(unverified).map(Thumbprint)
    }
}
