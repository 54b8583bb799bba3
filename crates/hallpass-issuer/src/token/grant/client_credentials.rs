//! `client_credentials` (RFC 6749 section 4.4): the client asks for itself, so it is the subject too (RFC 9068
//! section 2.2).

use crate::token::entitlement::{Entitlement, choose_target, grant_scope};
use crate::token::grant::asked::Asked;
use crate::token::refusal::Refusal;
use crate::token::request::Target;

/// # Errors
/// [`Refusal::ForeignParameter`], those of [`choose_target`], then those of [`grant_scope`].
pub(super) fn grant<'c>(asked: Asked<'c, '_>) -> Result<Entitlement<'c>, Refusal> {
    let Asked {
        client, request, ..
    } = asked;
    // Whoever sends the token of a subject, or one of before, must not get one of its own in place of it.
    if request.oddities.of_exchange || request.oddities.of_refresh || request.oddities.of_assertion
    {
        return Err(Refusal::ForeignParameter);
    }
    let target = choose_target(client.targets(), &request.target)?;
    let scope = grant_scope(client.scope_for(target), request.scope.as_deref())?;
    Ok(Entitlement::of_client(client, target, scope))
}

/// What this grant would give now for `target`, with every scope that the client may have.
///
/// # Errors
/// Those of [`choose_target`].
pub(super) fn again<'c>(
    asked: Asked<'c, '_>,
    target: &Target<'_>,
) -> Result<Entitlement<'c>, Refusal> {
    let client = asked.client;
    let target = choose_target(client.targets(), target)?;
    let scope = client.scope_for(target).clone();
    Ok(Entitlement::of_client(client, target, scope))
}
