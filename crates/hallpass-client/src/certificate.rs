//! Tokens that are bound to the certificate of this service (RFC 8705 section 3): each goes out over connections that show it, and
//! is left behind when the service gets another certificate.

use hallpass_token::{AccessToken, Thumbprint, UnverifiedToken};
use hallpass_upstream::{Connections, HttpTransport};

/// Largest token that is looked into, in bytes; longer ones are none of ours.
const MAX_TOKEN_BYTES: usize = 16 * 1024;
/// How often a token is asked for anew that came over connections whose certificate was replaced meanwhile.
pub(crate) const MAX_ROTATIONS: usize = 4;

/// The certificate that a token is bound to.
#[derive(Clone, Debug)]
pub(crate) struct BoundCertificate {
    thumbprint: Thumbprint,
    /// Where the token was asked for, and goes out; `None`: what that shows is not known.
    transport: Option<HttpTransport>,
}

/// The connections of this moment show another certificate than the token is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LeftBehind;

impl BoundCertificate {
    /// As `token` says itself. No signature is checked: the issuer has just sent it, and it decides only over which connections the
    /// token goes. `None` for an opaque token.
    pub(crate) fn of(token: &AccessToken, transport: Option<&HttpTransport>) -> Option<Self> {
        let unverified = UnverifiedToken::parse(token.expose(), MAX_TOKEN_BYTES).ok()?;
        let confirmation = unverified.unverified_claims().ok()?.confirmation?;
        Some(Self {
            thumbprint: confirmation.x5t_s256?,
            transport: transport.cloned(),
        })
    }

    /// Whether `connections` show it.
    pub(crate) fn is_shown_by(&self, connections: &Connections) -> bool {
        connections.certificate() == Some(self.thumbprint)
    }

    /// Over which connections a request with the token goes now; `None` where that is not known.
    ///
    /// # Errors
    /// [`LeftBehind`]: it must not go over those.
    pub(crate) fn connections(&self) -> Result<Option<Connections>, LeftBehind> {
        let Some(transport) = &self.transport else {
            return Ok(None);
        };
        let now = transport.connections();
        match self.is_shown_by(&now) {
            true => Ok(Some(now)),
            false => Err(LeftBehind),
        }
    }
}
