//! `gateway.identity-headers`: which headers name the verified caller.

use http::HeaderName;

/// `identity-headers`: the headers that name the verified caller to upstreams. Each of them is removed from every request, in every
/// spelling, and written anew where there is something to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityHeaderSettings {
    /// `user-id`: bears `sub`; not written when `None`.
    pub user_id: Option<HeaderName>,
    /// `username`: bears the claim `username`, else `preferred_username`.
    pub username: Option<HeaderName>,
    /// `authorities`: bears the claim `authorities`, else each scope as `SCOPE_...`.
    pub authorities: Option<HeaderName>,
    /// `client-id`: bears the client that the token was issued to.
    pub client_id: Option<HeaderName>,
    /// `claims`: further headers, and the claim that each bears.
    pub claims: Vec<(HeaderName, String)>,
    /// `strip`: headers that are removed and never written.
    pub strip: Vec<HeaderName>,
}

impl Default for IdentityHeaderSettings {
    fn default() -> Self {
        Self {
            user_id: Some(HeaderName::from_static("x-user-id")),
            username: Some(HeaderName::from_static("x-username")),
            authorities: Some(HeaderName::from_static("x-authorities")),
            client_id: Some(HeaderName::from_static("x-client-id")),
            claims: Vec::new(),
            strip: Vec::new(),
        }
    }
}
