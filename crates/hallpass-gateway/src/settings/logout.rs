//! `gateway.logout`: where callers take their token back.

use hallpass_upstream::EndpointUrl;

/// `logout`: where callers take their token back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutSettings {
    /// `path`: `POST` there, with the token.
    pub path: String,
    /// `revoke-url`: the endpoint of the issuer that the token is told to (RFC 7009).
    pub revoke_url: EndpointUrl,
}
