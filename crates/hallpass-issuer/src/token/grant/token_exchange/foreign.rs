//! The subject token of another issuer: what it says in its own words, and what that means here.

use std::sync::Arc;

use hallpass_token::{Actor, Issuer, TokenClaims};

use crate::clients::exchange_rule::{ExchangeRule, subject_id};
use crate::refresh::family::{Exchanged, ForeignSignature};
use crate::token::grant::asked::{Asked, Held};
use crate::token::grant::brought::Purpose;
use crate::token::grant::token_exchange::subject::{self, Subject};
use crate::token::refusal::Refusal;
use crate::token_purpose;
use crate::trusted_issuers::{TrustedIssuer, is_from_future, marks_here};

/// Whether the client may act for the subject of a token that `issuer` has signed, as it was verified now or before.
///
/// # Errors
/// What is wrong with the token, or with those whom it names.
pub(super) fn check(
    asked: Asked<'_, '_>,
    held: Held<'_>,
    rules: &[ExchangeRule],
    (purpose, issuer): (Purpose, &Arc<TrustedIssuer>),
    exchanged: &Exchanged,
) -> Result<Subject, Refusal> {
    let claims = &exchanged.claims;
    let now = asked.attempt.now;
    // Of one that is kept for a refresh these were true once.
    let signed = exchanged.signed.ok_or(Refusal::InvalidSubjectToken)?;
    if !issuer.may_sign(signed) {
        return Err(Refusal::InvalidSubjectToken);
    }
    let kind = match purpose {
        Purpose::Exchange => {
            check_type(issuer, claims, signed)?;
            issuer.subject_kind(claims)
        }
        Purpose::Assertion => issuer.kind_of_assertion(claims),
    };
    if is_from_future(claims, now) || !issuer.may_speak_of(&claims.subject) {
        return Err(Refusal::InvalidSubjectToken);
    }
    if !issuer.is_young(claims, now) {
        return Err(Refusal::SubjectTokenTooOld);
    }
    let of_issuer = |rule: &&ExchangeRule| rule.subject_issuer.as_ref() == Some(issuer.issuer());
    let rules: Vec<_> = rules.iter().filter(of_issuer).cloned().collect();
    subject::check(asked, &rules, claims, kind)?;
    if let Some(actor) = &claims.actor {
        check_actor(actor, issuer.issuer(), asked)?;
    }
    let name = issuer.name_of(&claims.subject);
    let name = name.ok_or(Refusal::InvalidSubjectToken)?;
    // A client here is not somebody whom another issuer calls so, nor is a subject of yet another one.
    let is_plain = issuer.settings().dangerous_plain_subjects;
    let is_anothers = is_plain && asked.trusted.has_subjects_like(name.as_str()).is_some();
    if is_anothers || asked.registry.find(name.as_str()).is_some() {
        return Err(Refusal::SubjectNamedLikeClient);
    }
    if held
        .revoked
        .denies(&marks_here(claims, &name), now)
        .is_some()
    {
        return Err(Refusal::RevokedSubjectToken);
    }
    Ok(Subject {
        id: Some(subject_id(issuer.issuer(), &claims.subject)),
        actor: claims
            .actor
            .as_ref()
            .map(|actor| named(actor, issuer.issuer())),
        claims: claims.clone(),
        key_id: exchanged.key_id.clone(),
        signed: Some(signed),
        from: Some(Arc::clone(issuer)),
        purpose,
        kind,
        name,
    })
}

/// Whether the token says what it is, or its issuer need not and nothing speaks against it.
fn check_type(
    issuer: &TrustedIssuer,
    claims: &TokenClaims,
    signed: ForeignSignature,
) -> Result<(), Refusal> {
    let is_one = match issuer.settings().dangerous_accept_untyped {
        true => is_access_token(claims),
        false => signed.is_typed,
    };
    match is_one {
        true => Ok(()),
        false => Err(Refusal::SubjectNotAccessToken),
    }
}

/// Whether nothing in the claims says that the token is for something else: issuers that write no `at+jwt` sign ID tokens and
/// others of the same form (RFC 8725 section 2.8).
fn is_access_token(claims: &TokenClaims) -> bool {
    let client = claims.client_id.as_ref().map(|it| it.as_str());
    let client = client.or_else(|| claims.extra.get("azp")?.as_str());
    // An ID token is for the client that got it, and has no scope (OpenID Connect Core section 2).
    let is_for_itself =
        claims.scope.is_empty() && claims.audience.iter().all(|it| Some(it.as_str()) == client);
    !token_purpose::is_something_else(claims) && !is_for_itself
}

/// Who acts by the token now is somebody of its issuer, which answers for that, or a client here, which must still be one.
fn check_actor(actor: &Actor, issuer: &Issuer, asked: Asked<'_, '_>) -> Result<(), Refusal> {
    match &actor.issuer {
        None => Ok(()),
        Some(of) if of == issuer => Ok(()),
        Some(of) if of == asked.issuer => {
            subject::is_registered(asked.registry, actor.subject.as_str())
        }
        Some(_) => Err(Refusal::UnregisteredActor),
    }
}

/// The same actors, each with the issuer whose name for it that is: without it they would be clients of ours.
fn named(actor: &Actor, issuer: &Issuer) -> Actor {
    Actor {
        issuer: Some(actor.issuer.clone().unwrap_or_else(|| issuer.clone())),
        actor: actor
            .actor
            .as_ref()
            .map(|before| Box::new(named(before, issuer))),
        ..actor.clone()
    }
}
