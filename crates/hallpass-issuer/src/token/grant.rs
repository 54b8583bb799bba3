//! What an authenticated client is granted, or why not; one file per grant.

mod client_credentials;

use crate::clients::registration::GrantType;
use crate::clients::registry::Client;
use crate::token::entitlement::Entitlement;
use crate::token::refusal::Refusal;
use crate::token::request::TokenRequest;

/// Decides by the registration alone.
///
/// # Errors
/// [`Refusal::UnsupportedGrant`], [`Refusal::UnregisteredGrant`], and those of the grant.
pub(crate) fn grant<'c>(
    client: &'c Client,
    request: &TokenRequest<'_>,
) -> Result<Entitlement<'c>, Refusal> {
    let grant_type = request.grant_type.ok_or(Refusal::UnsupportedGrant)?;
    if !client.grants.contains(grant_type) {
        return Err(Refusal::UnregisteredGrant);
    }
    match grant_type {
        GrantType::ClientCredentials => client_credentials::grant(client, request),
    }
}
