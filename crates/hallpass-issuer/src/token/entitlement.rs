//! What a token may contain, and the rules that every grant shares: deny by default, one target, no more than registered.

use std::time::Duration;

use hallpass_token::{Actor, Issuer, Scope, Subject, TokenClaims, TokenId, UnixTime};
use serde_json::{Map, Value};

use crate::clients::registry::{Client, RegisteredTarget};
use crate::refresh::family::Exchanged;
use crate::replays::Used;
use crate::token::refusal::Refusal;
use crate::token::request::Target;

/// What a client is entitled to by a grant.
#[derive(Debug)]
pub(crate) struct Entitlement<'c> {
    /// The subject of the token.
    pub(crate) subject: Subject,
    /// Who acts for the subject; `None` when the client is the subject.
    pub(crate) actor: Option<Actor>,
    /// The one service that it is for.
    pub(crate) target: &'c RegisteredTarget,
    pub(crate) scope: Scope,
    pub(crate) token_life: Duration,
    /// The token ends at this moment at the latest.
    pub(crate) ends_by: Option<UnixTime>,
    /// Claims that the grant brings beside the usual ones.
    pub(crate) extra: Map<String, Value>,
    /// The token that was exchanged, where it is needed again: for a client that gets refresh tokens.
    pub(crate) exchanged: Option<Exchanged>,
    /// Whether it follows from something that is bound to the certificate of the connection, and so is bound to it too.
    pub(crate) stays_bound: bool,
    /// `issued_token_type` of the response (RFC 8693 section 2.2.1).
    pub(crate) issued_token_type: Option<&'static str>,
    /// What was used up for it here, and must not have been elsewhere.
    pub(crate) used: Option<Used>,
}

impl<'c> Entitlement<'c> {
    /// A client's token for itself, with the claims that it is registered with.
    pub(crate) fn of_client(client: &Client, target: &'c RegisteredTarget, scope: Scope) -> Self {
        Self {
            subject: client.subject.clone(),
            actor: None,
            target,
            scope,
            token_life: client.token_life,
            ends_by: None,
            extra: client.claims(),
            exchanged: None,
            stays_bound: false,
            issued_token_type: None,
            used: None,
        }
    }

    /// The claims of a token for `client` that is issued at `now` (RFC 9068 section 2.2).
    pub(crate) fn into_claims(
        self,
        issuer: &Issuer,
        client: &Client,
        token_id: TokenId,
        now: UnixTime,
    ) -> TokenClaims {
        let end = now.saturating_add(self.token_life);
        let mut claims = TokenClaims::new(
            issuer.clone(),
            self.subject,
            self.target.audience.clone(),
            self.ends_by.map_or(end, |latest| latest.min(end)),
        );
        claims.client_id = Some(client.id.clone());
        claims.scope = self.scope;
        claims.issued_at = Some(now);
        claims.not_before = Some(now);
        claims.token_id = Some(token_id);
        claims.actor = self.actor;
        claims.extra = self.extra;
        claims
    }
}

/// Which of `targets`, the registered ones, the token is for.
///
/// # Errors
/// One of the `invalid_target` refusals (RFC 8707 section 2).
pub(crate) fn choose_target<'c>(
    targets: impl IntoIterator<Item = &'c RegisteredTarget>,
    requested: &Target<'_>,
) -> Result<&'c RegisteredTarget, Refusal> {
    let mut targets = targets.into_iter();
    match requested {
        Target::Several => Err(Refusal::SeveralTargets),
        Target::One(name) => targets
            .find(|target| target.audience.as_str() == name.as_ref())
            .ok_or(Refusal::UnregisteredTarget),
        Target::Absent => match (targets.next(), targets.next()) {
            (None, _) => Err(Refusal::NoTarget),
            (Some(only), None) => Ok(only),
            (Some(_), Some(_)) => Err(Refusal::MissingTarget),
        },
    }
}

/// The scope to grant: what was asked when all of it is registered, nothing when nothing was asked.
///
/// # Errors
/// [`Refusal::MalformedScope`] or [`Refusal::UnregisteredScope`].
pub(crate) fn grant_scope(registered: &Scope, requested: Option<&str>) -> Result<Scope, Refusal> {
    let Some(requested) = requested else {
        return Ok(Scope::empty());
    };
    let requested: Scope = requested.parse().map_err(|_| Refusal::MalformedScope)?;
    if requested == *registered {
        return Ok(registered.clone());
    }
    if registered.contains_all(&requested) {
        Ok(requested)
    } else {
        Err(Refusal::UnregisteredScope)
    }
}
