//! The claims of a token (RFC 9068 section 2.2).

use hallpass_token::{Issuer, TokenClaims, TokenId, UnixTime};

use crate::clients::registry::Client;
use crate::token::entitlement::Entitlement;

/// The claims of a token for `client` that is issued at `now`.
pub(crate) fn claims(
    issuer: &Issuer,
    client: &Client,
    entitlement: Entitlement<'_>,
    token_id: TokenId,
    now: UnixTime,
) -> TokenClaims {
    let mut claims = TokenClaims::new(
        issuer.clone(),
        entitlement.subject.clone(),
        entitlement.target.audience.clone(),
        now.saturating_add(entitlement.token_life),
    );
    claims.client_id = Some(client.id.clone());
    claims.scope = entitlement.scope;
    claims.issued_at = Some(now);
    claims.not_before = Some(now);
    claims.token_id = Some(token_id);
    claims
}
