//! What an authenticated client is granted, or why not; one file per grant.

pub(crate) mod asked;
mod client_credentials;
mod token_exchange;

use crate::clients::registration::GrantType;
use crate::token::entitlement::Entitlement;
use crate::token::grant::asked::Asked;
use crate::token::refusal::Refusal;

/// Decides by the registration, and by what the request brings.
///
/// # Errors
/// [`Refusal::UnsupportedGrant`], [`Refusal::UnregisteredGrant`], and those of the grant.
pub(crate) fn grant<'c>(asked: Asked<'c, '_>) -> Result<Entitlement<'c>, Refusal> {
    let grant_type = asked.request.grant_type.ok_or(Refusal::UnsupportedGrant)?;
    if !asked.client.grants.contains(grant_type) {
        return Err(Refusal::UnregisteredGrant);
    }
    match grant_type {
        GrantType::ClientCredentials => client_credentials::grant(asked),
        GrantType::TokenExchange => token_exchange::grant(asked),
    }
}
