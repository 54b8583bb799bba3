//! What a token of another issuer says that it is for: all that an issuer signs looks alike, and only some of it proves anything
//! here (RFC 8725 section 2.8).

use hallpass_token::TokenClaims;
use serde_json::Value;

/// Claims of what a login brings: ID tokens and logout tokens (OpenID Connect Core sections 2 and 3.3.2.11, Back-Channel Logout
/// section 2.4), and of security events (RFC 8417).
const OF_LOGIN: [&str; 5] = ["nonce", "at_hash", "c_hash", "s_hash", "events"];

/// Whether the claims say that it is an ID token, a refresh token, a logout token or an event. **Not found**: an ID token that has
/// none of these claims.
pub(crate) fn is_something_else(claims: &TokenClaims) -> bool {
    let is_named = claims.extra.contains_key("typ") && !is_bearer(claims);
    is_named || OF_LOGIN.iter().any(|name| claims.extra.contains_key(*name))
}

/// Whether the claims say that it is an access token. Keycloak writes `Bearer`, and for others `ID`, `Refresh`, `Offline`, `Logout`.
pub(crate) fn is_bearer(claims: &TokenClaims) -> bool {
    let kind = claims.extra.get("typ").and_then(Value::as_str);
    kind.is_some_and(|it| it.eq_ignore_ascii_case("Bearer"))
}
