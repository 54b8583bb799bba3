//! JWT bearer (RFC 7523 section 2.1): a trusted issuer says to this one, and to nobody else, for whom the client acts.
//!
//! It is decided as an exchange of a token of that issuer is, by rules of their own. What differs: the assertion has this
//! issuer as its one audience, and counts once; it is no access token nor one of a login, and one that names no scopes limits
//! none.

use hallpass_clock::Clock;
use hallpass_token::Seen;

use crate::replays::Used;
use crate::token::entitlement::Entitlement;
use crate::token::grant::asked::{Asked, Held};
use crate::token::grant::brought::{ForeignToken, Purpose};
use crate::token::grant::token_exchange;
use crate::token::refusal::{GrantAssertionFault, Refusal};
use crate::token::request::TokenRequest;

/// The assertion, verified.
///
/// # Errors
/// Those of the request, and what is wrong with the assertion.
pub(super) async fn bring(
    asked: Asked<'_, '_>,
    clock: &dyn Clock,
) -> Result<Option<ForeignToken>, Refusal> {
    let assertion = parameter(asked.request)?;
    let Some(exchange) = asked.client.assertions() else {
        return Ok(None);
    };
    let (rules, trusted) = (&exchange.rules, asked.trusted);
    let brought = ForeignToken::verify(Purpose::Assertion, assertion, rules, trusted, clock).await;
    brought.map_err(Refusal::of_assertion)
}

/// # Errors
/// Those of the request, of the assertion and of its subject, then those of the target and of the scope, then
/// [`GrantAssertionFault::Replayed`].
pub(super) fn grant<'c>(asked: Asked<'c, '_>, held: Held<'_>) -> Result<Entitlement<'c>, Refusal> {
    parameter(asked.request)?;
    // What is not of an issuer that a rule names was not looked at.
    let (Some(exchange), Some(token)) = (asked.client.assertions(), asked.brought) else {
        return Err(Refusal::GrantAssertion(
            GrantAssertionFault::UntrustedIssuer,
        ));
    };
    let entitlement = token_exchange::by_assertion(asked, held, exchange, token);
    let entitlement = entitlement.map_err(Refusal::of_assertion)?;
    // Last: one that brings nothing is not used up.
    let used = use_once(asked, token)?;
    Ok(Entitlement {
        used,
        ..entitlement
    })
}

fn parameter<'r>(request: &'r TokenRequest<'_>) -> Result<&'r str, Refusal> {
    let odd = &request.oddities;
    if odd.of_exchange || odd.of_refresh {
        return Err(Refusal::ForeignParameter);
    }
    if odd.empty {
        return Err(Refusal::EmptyParameter);
    }
    if odd.unknown {
        return Err(Refusal::UnknownParameter);
    }
    let assertion = request.assertion.as_deref();
    assertion.ok_or(Refusal::GrantAssertion(GrantAssertionFault::Missing))
}

fn use_once(asked: Asked<'_, '_>, token: &ForeignToken) -> Result<Option<Used>, Refusal> {
    let (client, now) = (asked.client.id.as_str(), asked.attempt.now);
    if !token.issuer.is_short(&token.claims, now) {
        return Err(Refusal::GrantAssertion(GrantAssertionFault::TooLong));
    }
    let fault = match token.issuer.use_once(client, &token.claims, now) {
        Some((Seen::First, used)) => return Ok(used),
        None => GrantAssertionFault::WithoutId,
        Some((Seen::Again, _)) => GrantAssertionFault::Replayed,
        Some((Seen::Full, _)) => GrantAssertionFault::TooMany,
    };
    Err(Refusal::GrantAssertion(fault))
}
