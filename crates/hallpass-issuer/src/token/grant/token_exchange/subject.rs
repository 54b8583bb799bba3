//! The subject token of this issuer: verified, and whether the client may act for its subject.

use std::sync::Arc;

use hallpass_token::{
    Actor, Audience, Issuer, KeyId, RevocationMarks, TokenClaims, UnverifiedToken, VerifyError,
    VerifyPolicy,
};
use serde_json::Value;

use crate::clients::exchange_rule::{
    ExchangeRule, MAY_ACT, SUBJECT_ID, SubjectKind, subject_issuer,
};
use crate::clients::registry::{Client, Registry};
use crate::refresh::family::{Exchanged, ForeignSignature};
use crate::token::attempt::Attempt;
use crate::token::grant::asked::{Asked, Held};
use crate::token::grant::brought::Purpose;
use crate::token::refusal::Refusal;
use crate::trusted_issuers::TrustedIssuer;

/// Actors that a token may name, the newest included (RFC 8693 section 4.1): verifiers read no more.
const MAX_ACTORS: usize = 4;

/// Whom the new token is about, as the old one says.
#[derive(Debug)]
pub(super) struct Subject {
    /// As its token was verified, now or before.
    pub(super) claims: TokenClaims,
    /// What the key is called that signed it.
    pub(super) key_id: Option<KeyId>,
    /// How another issuer has signed it.
    pub(super) signed: Option<ForeignSignature>,
    /// `None`: it cannot be told.
    pub(super) kind: Option<SubjectKind>,
    /// As the new token calls it.
    pub(super) name: hallpass_token::Subject,
    /// The other issuer that the token is of, if it is.
    pub(super) from: Option<Arc<TrustedIssuer>>,
    /// What was brought.
    pub(super) purpose: Purpose,
    /// What the subject is called by the other issuer that it comes from, if it does (`sub_id`).
    pub(super) id: Option<Value>,
    /// Who has acted for it, as the new token calls them.
    pub(super) actor: Option<Actor>,
}

impl Subject {
    /// Those of a client's rules that this subject, by this token, fits.
    pub(super) fn rules<'c>(
        &self,
        rules: &'c [ExchangeRule],
        asked: Asked<'_, '_>,
    ) -> Vec<&'c ExchangeRule> {
        let is_usual = |audience: &Audience| match &self.from {
            Some(issuer) => issuer.audiences().contains(audience),
            None => is_own(audience, asked.client),
        };
        let audiences = &self.claims.audience;
        let fits = |rule: &&ExchangeRule| {
            let is_for = |it: &Audience| is_usual(it) || rule.subject_audiences.contains(it);
            is_of(rule, &self.claims.issuer, asked.issuer)
                && audiences.iter().any(is_for)
                && rule.allows_subject(self.kind)
        };
        rules.iter().filter(fits).collect()
    }
}

/// # Errors
/// What is wrong with the token, or with those whom it names.
pub(super) fn verify(
    asked: Asked<'_, '_>,
    held: Held<'_>,
    rules: &[ExchangeRule],
    token: &str,
) -> Result<Subject, Refusal> {
    let exchanged = verified(asked, held, rules, token)?;
    again(asked, held, rules, exchanged)
}

/// What is asked of a token that is verified, or was before.
///
/// # Errors
/// What is wrong with it now, or with those whom it names.
pub(super) fn again(
    asked: Asked<'_, '_>,
    held: Held<'_>,
    rules: &[ExchangeRule],
    Exchanged {
        claims,
        key_id,
        kind,
        ..
    }: Exchanged,
) -> Result<Subject, Refusal> {
    let Asked {
        issuer, registry, ..
    } = asked;
    let marks = RevocationMarks::of(&claims, key_id.as_ref());
    if held.revoked.denies(&marks, asked.attempt.now).is_some() {
        return Err(Refusal::RevokedSubjectToken);
    }
    check(asked, rules, &claims, kind)?;
    let id = claims.extra.get(SUBJECT_ID).cloned();
    match subject_issuer(&claims.extra) {
        // It is no client here; its own issuer must still be believed.
        Some(from) if asked.trusted.find(from.as_str()).is_none() => {
            return Err(Refusal::UntrustedSubjectIssuer);
        }
        None if kind == Some(SubjectKind::Service) => {
            is_registered(registry, claims.subject.as_str())?;
        }
        Some(_) | None => {}
    }
    if let Some(actor) = &claims.actor {
        if actor.issuer.as_ref().is_some_and(|of| of != issuer) {
            return Err(Refusal::UnregisteredActor);
        }
        is_registered(registry, actor.subject.as_str())?;
    }
    Ok(Subject {
        name: claims.subject.clone(),
        actor: claims.actor.clone(),
        from: None,
        purpose: Purpose::Exchange,
        claims,
        key_id,
        signed: None,
        kind,
        id,
    })
}

/// What must hold of every subject token, whoever has issued it.
///
/// # Errors
/// What does not.
pub(super) fn check(
    asked: Asked<'_, '_>,
    rules: &[ExchangeRule],
    claims: &TokenClaims,
    kind: Option<SubjectKind>,
) -> Result<(), Refusal> {
    let Asked {
        issuer,
        client,
        possession,
        attempt,
        ..
    } = asked;
    // The leeway is for clocks that differ; a token that has ended is not made to live on.
    if claims.expires_at <= attempt.now {
        return Err(Refusal::ExpiredSubjectToken);
    }
    // Whoever is to prove something is its holder. When that is the client, the new token is bound to the same key; else it
    // would be bound to another, or to nobody.
    if let Some(demanded) = &claims.confirmation
        && !possession.proves(demanded)
    {
        return Err(Refusal::BoundSubjectToken);
    }
    if kind.is_none() && !rules.iter().any(|rule| rule.allows_subject(None)) {
        return Err(Refusal::SubjectOfUnknownOrigin);
    }
    if claims
        .actor
        .as_ref()
        .is_some_and(|it| it.depth() >= MAX_ACTORS)
    {
        return Err(Refusal::TooManyActors);
    }
    if let Some(may_act) = claims.extra.get(MAY_ACT)
        && !names(may_act, issuer, client)
    {
        return Err(Refusal::MayActOther);
    }
    Ok(())
}

/// The claims of a token of this issuer that was made for the client.
fn verified(
    asked: Asked<'_, '_>,
    Held { keys, .. }: Held<'_>,
    rules: &[ExchangeRule],
    token: &str,
) -> Result<Exchanged, Refusal> {
    let Asked {
        issuer,
        client,
        attempt: Attempt { now, .. },
        ..
    } = asked;
    let invalid = |_: VerifyError| Refusal::InvalidSubjectToken;
    let unverified =
        UnverifiedToken::parse(token, hallpass_token::DEFAULT_MAX_VERIFY_BYTES).map_err(invalid)?;
    let named = unverified.unverified_issuer();
    let named = named.ok_or(Refusal::InvalidSubjectToken)?;
    if named != issuer.as_str() || !rules.iter().any(|rule| is_of(rule, issuer, issuer)) {
        return Err(Refusal::UntrustedSubjectIssuer);
    }
    let own = Audience::try_from(client.id.as_str()).ok();
    let rules = rules.iter().filter(|rule| is_of(rule, issuer, issuer));
    let others = rules.flat_map(|rule| &rule.subject_audiences);
    let audiences = own.into_iter().chain(others.cloned()).collect();
    // Some services get tokens with `typ: JWT` from this issuer.
    let policy = VerifyPolicy::for_audiences(issuer.clone(), audiences).dangerous_accept_untyped();
    let claims = unverified.verify(keys.published(), &policy, now);
    let claims = claims.map_err(|error| match error {
        VerifyError::Expired { .. } => Refusal::ExpiredSubjectToken,
        VerifyError::Audience => Refusal::SubjectNotForClient,
        error => invalid(error),
    })?;
    Ok(Exchanged {
        kind: SubjectKind::of(&claims),
        name: claims.subject.clone(),
        claims: claims.into_claims(),
        key_id: unverified.key_id().cloned(),
        signed: None,
    })
}

fn is_own(audience: &Audience, client: &Client) -> bool {
    audience.as_str() == client.id.as_str()
}

/// Whether `rule` is about tokens of `issuer`; one that names no issuer is about those of `own`.
fn is_of(rule: &ExchangeRule, issuer: &Issuer, own: &Issuer) -> bool {
    rule.subject_issuer.as_ref().unwrap_or(own) == issuer
}

/// Whoever acts by the token now, or is its subject as a service, must still be a client; those who acted before are history
/// (RFC 8693 section 4.1).
pub(super) fn is_registered(registry: &Registry, client_id: &str) -> Result<(), Refusal> {
    let found = registry.find(client_id);
    found.map(|_| ()).ok_or(Refusal::UnregisteredActor)
}

/// Whether `may_act` names the client: by its name and by whose name that is, and by nothing that cannot be compared
/// (RFC 8693 section 4.4).
fn names(may_act: &Value, issuer: &Issuer, client: &Client) -> bool {
    let Some(members) = may_act.as_object() else {
        return false;
    };
    let is = |name: &str, value: &str| members.get(name).is_some_and(|found| found == value);
    let id = client.id.as_str();
    let is_known = |name: &String| match name.as_str() {
        "sub" | "iss" => true,
        "client_id" => is("client_id", id),
        _ => false,
    };
    is("iss", issuer.as_str()) && is("sub", id) && members.keys().all(is_known)
}
