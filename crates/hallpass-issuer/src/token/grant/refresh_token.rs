//! `refresh_token` (RFC 6749 section 6): the client goes on with what another grant has brought it.
//!
//! Nothing is kept of that grant's decision: it is made again, by what is registered, trusted and revoked now. What it gives is
//! cut to what the family was granted.

use std::borrow::Cow;

use hallpass_token::{
    Actor, Issuer, RevocationDigest, RevocationKind, RevocationList, Scope, TokenClaims, UnixTime,
};

use crate::clients::registration::GrantType;
use crate::clients::registry::{Client, Registry};
use crate::refresh::family::Granted;
use crate::refresh::token::RefreshToken;
use crate::token::entitlement::Entitlement;
use crate::token::grant::asked::{Asked, Held};
use crate::token::grant::{client_credentials, token_exchange};
use crate::token::refusal::{RefreshFault, Refusal};
use crate::token::request::{Target, TokenRequest};

/// The refresh token of a request that is for nothing else.
///
/// # Errors
/// Those of the parameters, and [`RefreshFault::Unknown`] for what cannot be one.
pub(crate) fn presented(request: &TokenRequest<'_>) -> Result<RefreshToken, Refusal> {
    let odd = &request.oddities;
    if odd.of_exchange || odd.of_assertion {
        return Err(Refusal::ForeignParameter);
    }
    if odd.empty {
        return Err(Refusal::EmptyParameter);
    }
    if odd.unknown {
        return Err(Refusal::UnknownParameter);
    }
    let token = request.refresh_token.as_ref();
    let token = token.ok_or(Refusal::Refresh(RefreshFault::Missing))?;
    RefreshToken::parse(token).ok_or(Refusal::Refresh(RefreshFault::Unknown))
}

/// # Errors
/// What stands in the way of the family, of its target, of those who act by it, of its scope.
pub(super) fn grant<'c>(asked: Asked<'c, '_>, held: Held<'_>) -> Result<Entitlement<'c>, Refusal> {
    let revoked = held.revoked;
    let Asked {
        issuer,
        registry,
        client,
        request,
        attempt,
        ..
    } = asked;
    let family = asked
        .family
        .ok_or(Refusal::Refresh(RefreshFault::Unknown))?;
    if revoked.denies(&family.marks(), attempt.now).is_some() {
        return Err(Refusal::Refresh(RefreshFault::Revoked));
    }
    let granted = &family.granted;
    // Whoever has a copy of the token alone does not have the key (RFC 9449 section 5), nor that of the certificate.
    if !granted.bound_to.is(asked.possession.shown()) {
        return Err(Refusal::Refresh(RefreshFault::Bound));
    }
    if !client.grants.contains(granted.grant) {
        return Err(Refusal::UnregisteredGrant);
    }
    let target = target(granted, &request.target)?;
    let now = match (granted.grant, &granted.exchanged) {
        (GrantType::ClientCredentials, _) => client_credentials::again(asked, &target)?,
        (GrantType::TokenExchange, Some(exchanged)) => {
            check_actors(&exchanged.claims, issuer, registry, revoked, attempt.now)?;
            token_exchange::again(asked, held, exchanged, &target).map_err(in_general)?
        }
        (GrantType::TokenExchange | GrantType::RefreshToken | GrantType::JwtBearer, _) => {
            return Err(Refusal::Refresh(RefreshFault::Unknown));
        }
    };
    let scope = scope(&granted.scope, &now.scope, request.scope.as_deref())?;
    let stays_bound = now.stays_bound || granted.bound_to.certificate.is_some();
    Ok(Entitlement {
        scope,
        stays_bound,
        ..now
    })
}

/// Whether what `client` refreshes may have been signed by another issuer, whose keys must be asked for then.
pub(crate) fn may_be_foreign(client: &Client) -> bool {
    let rules = client.exchange().map(|exchange| &exchange.rules);
    rules.is_some_and(|rules| rules.iter().any(|rule| rule.subject_issuer.is_some()))
}

/// The one target that a family has; who names another one is told (RFC 8707 section 2.2).
fn target<'t>(granted: &'t Granted, requested: &Target<'_>) -> Result<Target<'t>, Refusal> {
    let audience = granted.audience.as_str();
    match requested {
        Target::Several => Err(Refusal::SeveralTargets),
        Target::One(name) if name.as_ref() != audience => {
            Err(Refusal::Refresh(RefreshFault::OtherTarget))
        }
        Target::One(_) | Target::Absent => Ok(Target::One(Cow::Borrowed(audience))),
    }
}

/// What was granted and is still `allowed`, or as much of it as was asked for; all that is asked for must be there.
fn scope(granted: &Scope, allowed: &Scope, requested: Option<&str>) -> Result<Scope, Refusal> {
    let still = granted.intersection(allowed);
    let Some(requested) = requested else {
        return match still.is_empty() && !granted.is_empty() {
            true => Err(Refusal::NoCommonScope),
            false => Ok(still),
        };
    };
    let requested: Scope = requested.parse().map_err(|_| Refusal::MalformedScope)?;
    match still.contains_all(&requested) {
        true => Ok(requested),
        false => Err(Refusal::Refresh(RefreshFault::ScopeNotGranted)),
    }
}

/// Everybody who acts by the token, now or before, must still be a client, as far as this issuer knows them.
fn check_actors(
    exchanged: &TokenClaims,
    issuer: &Issuer,
    registry: &Registry,
    revoked: &RevocationList,
    now: UnixTime,
) -> Result<(), Refusal> {
    let is_revoked = |kind, name: &str| revoked.denies_all(&RevocationDigest::new(kind, name), now);
    let newest = exchanged.actor.as_ref();
    let mut chain = std::iter::successors(newest, |actor| actor.actor.as_deref());
    let is_enabled = |actor: &Actor| {
        let name = actor.subject.as_str();
        // Whom a token names without an issuer, its own issuer names so.
        let is_ours = actor.issuer.as_ref().unwrap_or(&exchanged.issuer) == issuer;
        !is_ours
            || registry.find(name).is_some()
                && !is_revoked(RevocationKind::Client, name)
                && !is_revoked(RevocationKind::Subject, name)
    };
    match chain.all(is_enabled) {
        true => Ok(()),
        false => Err(Refusal::Refresh(RefreshFault::ActorDisabled)),
    }
}

/// What an exchange says of its subject token, for a request that has none.
const fn in_general(refusal: Refusal) -> Refusal {
    match refusal {
        Refusal::ExpiredSubjectToken | Refusal::SubjectTokenTooOld => {
            Refusal::Refresh(RefreshFault::Unknown)
        }
        Refusal::RevokedSubjectToken => Refusal::Refresh(RefreshFault::Revoked),
        Refusal::UnregisteredActor => Refusal::Refresh(RefreshFault::ActorDisabled),
        Refusal::InvalidSubjectToken
        | Refusal::UntrustedSubjectIssuer
        | Refusal::SubjectOfUnknownOrigin
        | Refusal::BoundSubjectToken
        | Refusal::SubjectNotForClient
        | Refusal::UnregisteredSubjectKind
        | Refusal::SubjectNotAccessToken
        | Refusal::SubjectNamedLikeClient
        | Refusal::MayActOther
        | Refusal::TooManyActors => Refusal::Refresh(RefreshFault::NotAllowed),
        refusal => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_is_never_gained_and_what_is_taken_away_is_gone() {
        let scope = |granted: &str, allowed: &str, requested: Option<&str>| {
            let read = |text: &str| Scope::from_words(text.split_whitespace()).unwrap();
            scope(&read(granted), &read(allowed), requested).map(|scope| scope.as_str().to_owned())
        };
        for (granted, allowed, requested, expected) in [
            ("a b", "a b c", None, Ok("a b")),
            ("a b", "b c", None, Ok("b")),
            ("", "a", None, Ok("")),
            ("a b", "a b", Some("b"), Ok("b")),
            (
                "a",
                "a b",
                Some("b"),
                Err(Refusal::Refresh(RefreshFault::ScopeNotGranted)),
            ),
            (
                "",
                "a",
                Some("a"),
                Err(Refusal::Refresh(RefreshFault::ScopeNotGranted)),
            ),
            (
                "a b",
                "a",
                Some("a b"),
                Err(Refusal::Refresh(RefreshFault::ScopeNotGranted)),
            ),
            ("a", "b", None, Err(Refusal::NoCommonScope)),
            ("a", "a", Some("a  b"), Err(Refusal::MalformedScope)),
        ] {
            let expected = expected.map(str::to_owned);
            let case = format!("{granted:?} {allowed:?} {requested:?}");
            assert_eq!(scope(granted, allowed, requested), expected, "{case}");
        }
    }
}
