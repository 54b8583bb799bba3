//! Token exchange (RFC 8693): the client acts for the subject of a token that was made for it, by this issuer or one that it
//! trusts.
//!
//! 1. The request says what it is and nothing else.
//! 2. The subject token is verified as a service would, by the keys that its issuer publishes now.
//! 3. Whom it is about, and who has acted before, decides whether the client may act ([`subject`]).
//! 4. The client's rules say for which services, with which scopes.
//!
//! Nothing is gained: the new token ends with the old one at the latest, has no scope that it lacks, and names every actor
//! that it named, the client as the newest one.

mod foreign;
mod subject;

use hallpass_clock::Clock;
use hallpass_token::{Actor, Scope, TokenClaims};
use serde_json::{Map, Value};

use crate::clients::exchange_rule::{
    ExchangeRule, MAY_ACT, SERVICE_PROFILE, SUBJECT_ID, SUBJECT_PROFILE, SubjectKind,
};
use crate::clients::registration::GrantType;
use crate::clients::registry::{Exchange, RegisteredTarget};
use crate::refresh::family::Exchanged;
use crate::token::entitlement::{Entitlement, choose_target};
use crate::token::grant::asked::{Asked, Held};
use crate::token::grant::brought::{ForeignToken, Purpose};
use crate::token::grant::token_exchange::subject::Subject;
use crate::token::refusal::Refusal;
use crate::token::request::{ExchangeParameters, Target, TokenRequest};

/// RFC 8693 section 3. An access token of this issuer is a JWT too.
const TOKEN_TYPES: [&str; 2] = [
    "urn:ietf:params:oauth:token-type:access_token",
    "urn:ietf:params:oauth:token-type:jwt",
];

/// The subject token, where another issuer has signed it.
///
/// # Errors
/// Those of the request, and what is wrong with the token.
pub(super) async fn bring(
    asked: Asked<'_, '_>,
    clock: &dyn Clock,
) -> Result<Option<ForeignToken>, Refusal> {
    let (subject_token, _) = parameters(asked.request)?;
    match asked.client.exchange() {
        None => Ok(None),
        Some(exchange) => {
            let (rules, trusted) = (&exchange.rules, asked.trusted);
            ForeignToken::verify(Purpose::Exchange, subject_token, rules, trusted, clock).await
        }
    }
}

/// # Errors
/// Those of the request, of the subject token and of its subject, then those of [`choose_target`], then
/// [`Refusal::MalformedScope`] or [`Refusal::NoCommonScope`].
pub(super) fn grant<'c>(asked: Asked<'c, '_>, held: Held<'_>) -> Result<Entitlement<'c>, Refusal> {
    let Asked {
        client, request, ..
    } = asked;
    let (subject_token, issued_token_type) = parameters(request)?;
    let exchange = client.exchange().ok_or(Refusal::UntrustedSubjectIssuer)?;
    let subject = match asked.brought {
        Some(token) => {
            let (rules, issuer) = (&exchange.rules, &token.issuer);
            let by = (Purpose::Exchange, issuer);
            foreign::check(asked, held, rules, by, &token.exchanged())?
        }
        None => subject::verify(asked, held, &exchange.rules, subject_token)?,
    };
    let requested = request.scope.as_deref();
    let entitlement = entitle(asked, exchange, subject, &request.target, requested)?;
    Ok(Entitlement {
        issued_token_type: Some(issued_token_type),
        ..entitlement
    })
}

/// What this grant would give now for `target` and a token that was exchanged before, with every scope that it may have.
///
/// # Errors
/// Those of the subject, then those of [`choose_target`].
pub(super) fn again<'c>(
    asked: Asked<'c, '_>,
    held: Held<'_>,
    exchanged: &Exchanged,
    target: &Target<'_>,
) -> Result<Entitlement<'c>, Refusal> {
    let exchange = asked.client.exchange();
    let exchange = exchange.ok_or(Refusal::UntrustedSubjectIssuer)?;
    let (rules, claims) = (&exchange.rules, &exchanged.claims);
    let subject = if claims.issuer == *asked.issuer {
        subject::again(asked, held, rules, exchanged.clone())?
    } else {
        let issuer = asked.trusted.find(claims.issuer.as_str());
        let issuer = issuer.ok_or(Refusal::UntrustedSubjectIssuer)?;
        let key = asked.standing_key;
        if !key.is_some_and(|key| key.has_signed(exchanged)) {
            return Err(Refusal::InvalidSubjectToken);
        }
        foreign::check(asked, held, rules, (Purpose::Exchange, issuer), exchanged)?
    };
    entitle(asked, exchange, subject, target, None)
}

/// What an assertion brings: it is decided as a token of its issuer is, by rules of its own.
///
/// # Errors
/// As [`grant`].
pub(super) fn by_assertion<'c>(
    asked: Asked<'c, '_>,
    held: Held<'_>,
    exchange: &'c Exchange,
    assertion: &ForeignToken,
) -> Result<Entitlement<'c>, Refusal> {
    let by = (Purpose::Assertion, &assertion.issuer);
    let subject = foreign::check(asked, held, &exchange.rules, by, &assertion.exchanged())?;
    let (target, requested) = (&asked.request.target, asked.request.scope.as_deref());
    Ok(Entitlement {
        // RFC 7521 section 4.1: no refresh token.
        exchanged: None,
        ..entitle(asked, exchange, subject, target, requested)?
    })
}

/// What the rules of the client give it for `subject`.
fn entitle<'c>(
    asked: Asked<'c, '_>,
    exchange: &'c Exchange,
    subject: Subject,
    target: &Target<'_>,
    requested: Option<&str>,
) -> Result<Entitlement<'c>, Refusal> {
    let client = asked.client;
    let rules = subject.rules(&exchange.rules, asked);
    if rules.is_empty() {
        return Err(Refusal::UnregisteredSubjectKind);
    }
    let target = choose_target(targets(exchange, &rules), target)?;
    let is_for_target = |rule: &&ExchangeRule| rule.targets.contains(&target.audience);
    let rules: Vec<_> = rules.into_iter().filter(is_for_target).collect();
    let scope = common_scope(&subject, &rules, requested)?;
    let extra = taken_over(&subject, &rules);
    let demanded = subject.claims.confirmation.as_ref();
    let stays_bound = demanded.is_some_and(|it| it.x5t_s256.is_some());
    let wants_refresh_token = client.grants.contains(GrantType::RefreshToken);
    Ok(Entitlement {
        subject: subject.name.clone(),
        target,
        scope,
        token_life: client.token_life,
        ends_by: Some(subject.claims.expires_at),
        exchanged: wants_refresh_token.then(|| Exchanged {
            claims: TokenClaims {
                // What is not needed to decide again is not kept. What another issuer means by its claims, only they can tell.
                extra: match &subject.from {
                    None => extra.clone(),
                    Some(_) => subject.claims.extra.clone(),
                },
                ..subject.claims
            },
            name: subject.name,
            key_id: subject.key_id,
            signed: subject.signed,
            kind: subject.kind,
        }),
        used: None,
        extra,
        actor: Some(Actor {
            client_id: Some(client.id.clone()),
            actor: subject.actor.map(Box::new),
            ..Actor::new(client.subject.clone())
        }),
        stays_bound,
        issued_token_type: None,
    })
}

/// The subject token, and the type of the token to issue.
fn parameters<'r>(request: &'r TokenRequest<'_>) -> Result<(&'r str, &'static str), Refusal> {
    let ExchangeParameters {
        subject_token,
        subject_token_type,
        requested_token_type,
    } = &request.exchange;
    let odd = &request.oddities;
    if odd.of_actor {
        return Err(Refusal::ActorToken);
    }
    if odd.empty {
        return Err(Refusal::EmptyParameter);
    }
    if odd.of_refresh || odd.of_assertion {
        return Err(Refusal::ForeignParameter);
    }
    if odd.unknown {
        return Err(Refusal::UnknownParameter);
    }
    let (Some(token), Some(token_type)) = (subject_token, subject_token_type) else {
        return Err(Refusal::MissingSubjectToken);
    };
    let offered = |name: &str| TOKEN_TYPES.into_iter().find(|offered| *offered == name);
    offered(token_type).ok_or(Refusal::UnsupportedTokenType)?;
    let [access_token, _] = TOKEN_TYPES;
    let issued = match requested_token_type {
        None => access_token,
        Some(requested) => offered(requested).ok_or(Refusal::UnsupportedTokenType)?,
    };
    Ok((token, issued))
}

/// The registered targets of `rules`, each once.
fn targets<'c>(
    exchange: &'c Exchange,
    rules: &[&ExchangeRule],
) -> impl Iterator<Item = &'c RegisteredTarget> {
    let of_rules = |audience| rules.iter().any(|rule| rule.targets.contains(audience));
    let targets = exchange.targets.iter();
    targets.filter(move |target| of_rules(&target.audience))
}

/// The scopes that the subject token has, or that a rule says stand for them, that a rule lets the client pass on and that
/// were asked for, if any were.
fn common_scope(
    subject: &Subject,
    rules: &[&ExchangeRule],
    requested: Option<&str>,
) -> Result<Scope, Refusal> {
    let requested: Option<Scope> = requested
        .map(str::parse)
        .transpose()
        .map_err(|_| Refusal::MalformedScope)?;
    let theirs = &subject.claims.scope;
    let is_passed_on = |word: &&str| rules.iter().any(|rule| rule.scope.contains(word));
    let same = theirs.iter().filter(is_passed_on);
    // A statement that names no scopes limits none.
    let is_unlimited = subject.purpose == Purpose::Assertion && theirs.is_empty();
    let unlimited = rules.iter().filter(|_| is_unlimited);
    let unlimited = unlimited.flat_map(|rule| rule.scope.iter());
    // A scope of this issuer stands for itself alone.
    let mapping = rules.iter().flat_map(|rule| &rule.scope_mapping);
    let mapping = mapping.filter(|(from, _)| subject.from.is_some() && theirs.contains_all(from));
    let mapped = mapping.flat_map(|(_, to)| to.iter());
    let is_asked = |word: &&str| requested.as_ref().is_none_or(|asked| asked.contains(word));
    let scope = Scope::from_words(same.chain(unlimited).chain(mapped).filter(is_asked))
        .map_err(|_| Refusal::NoCommonScope)?;
    if scope.is_empty() && requested.is_some() {
        return Err(Refusal::NoCommonScope);
    }
    Ok(scope)
}

/// What the new token says because the subject token does: the claims that the rules name, who may act, where a subject of
/// another issuer comes from, and that it is a service.
fn taken_over(subject: &Subject, rules: &[&ExchangeRule]) -> Map<String, Value> {
    let mut extra = Map::new();
    let names = rules.iter().flat_map(|rule| &rule.claims);
    for name in names.map(String::as_str).chain([MAY_ACT]) {
        if let Some(value) = subject.claims.extra.get(name)
            && !TokenClaims::is_reserved(name)
        {
            extra.insert(name.to_owned(), value.clone());
        }
    }
    if let Some(id) = &subject.id {
        extra.insert(SUBJECT_ID.to_owned(), id.clone());
    }
    if subject.kind == Some(SubjectKind::Service) {
        extra.insert(SUBJECT_PROFILE.to_owned(), SERVICE_PROFILE.into());
    }
    extra
}

#[cfg(test)]
mod tests;
