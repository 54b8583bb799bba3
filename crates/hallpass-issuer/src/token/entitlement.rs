//! What a token may contain, and the rules that every grant shares: deny by default, one target, no more than registered.

use std::time::Duration;

use hallpass_token::{Issuer, Scope, Subject, TokenClaims, TokenId, UnixTime};

use crate::clients::registry::{Client, RegisteredTarget};
use crate::token::refusal::Refusal;
use crate::token::request::Target;

/// What a client is entitled to by a grant.
#[derive(Debug)]
pub(crate) struct Entitlement<'c> {
    /// The subject of the token.
    pub(crate) subject: &'c Subject,
    /// The one service that it is for.
    pub(crate) target: &'c RegisteredTarget,
    pub(crate) scope: Scope,
    pub(crate) token_life: Duration,
}

impl Entitlement<'_> {
    /// The claims of a token for `client` that is issued at `now` (RFC 9068 section 2.2).
    pub(crate) fn into_claims(
        self,
        issuer: &Issuer,
        client: &Client,
        token_id: TokenId,
        now: UnixTime,
    ) -> TokenClaims {
        let mut claims = TokenClaims::new(
            issuer.clone(),
            self.subject.clone(),
            self.target.audience.clone(),
            now.saturating_add(self.token_life),
        );
        claims.client_id = Some(client.id.clone());
        claims.scope = self.scope;
        claims.issued_at = Some(now);
        claims.not_before = Some(now);
        claims.token_id = Some(token_id);
        claims
    }
}

/// Which registered target the token is for.
///
/// # Errors
/// One of the `invalid_target` refusals (RFC 8707 section 2).
pub(crate) fn choose_target<'c>(
    client: &'c Client,
    requested: &Target<'_>,
) -> Result<&'c RegisteredTarget, Refusal> {
    match (requested, client.targets()) {
        (Target::Several, _) => Err(Refusal::SeveralTargets),
        (Target::One(name), targets) => targets
            .iter()
            .find(|target| target.audience.as_str() == name.as_ref())
            .ok_or(Refusal::UnregisteredTarget),
        (Target::Absent, []) => Err(Refusal::NoTarget),
        (Target::Absent, [only]) => Ok(only),
        (Target::Absent, _) => Err(Refusal::MissingTarget),
    }
}

/// The scope to grant: what was asked when all of it is registered, nothing when nothing was asked.
///
/// # Errors
/// [`Refusal::MalformedScope`] or [`Refusal::UnregisteredScope`].
pub(crate) fn grant_scope(client: &Client, requested: Option<&str>) -> Result<Scope, Refusal> {
    let Some(requested) = requested else {
        return Ok(Scope::empty());
    };
    let requested: Scope = requested.parse().map_err(|_| Refusal::MalformedScope)?;
    if requested == *client.scope() {
        return Ok(client.scope().clone());
    }
    if client.scope().contains_all(&requested) {
        Ok(requested)
    } else {
        Err(Refusal::UnregisteredScope)
    }
}
