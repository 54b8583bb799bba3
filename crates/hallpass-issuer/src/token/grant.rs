//! What an authenticated client is granted, or why not; one file per grant.

pub(crate) mod asked;
pub(crate) mod brought;
mod client_credentials;
mod jwt_bearer;
pub(crate) mod refresh_token;
mod token_exchange;

use hallpass_clock::Clock;

use crate::clients::registration::GrantType;
use crate::token::entitlement::Entitlement;
use crate::token::grant::asked::{Asked, Held};
use crate::token::grant::brought::ForeignToken;
use crate::token::refusal::Refusal;

/// What has to be waited for before [`grant`] can decide: a token of another issuer, whose keys may have to be fetched. Nothing
/// for a client that asks for itself.
///
/// # Errors
/// As [`grant`], where the request alone shows it, and what is wrong with the token.
pub(crate) async fn bring(
    asked: Asked<'_, '_>,
    clock: &dyn Clock,
) -> Result<Option<ForeignToken>, Refusal> {
    match grant_type(asked)? {
        GrantType::ClientCredentials | GrantType::RefreshToken => Ok(None),
        GrantType::TokenExchange => token_exchange::bring(asked, clock).await,
        GrantType::JwtBearer => jwt_bearer::bring(asked, clock).await,
    }
}

/// Decides by the registration, and by what the request brings.
///
/// # Errors
/// [`Refusal::UnsupportedGrant`], [`Refusal::UnregisteredGrant`], and those of the grant.
pub(crate) fn grant<'c>(asked: Asked<'c, '_>, held: Held<'_>) -> Result<Entitlement<'c>, Refusal> {
    match grant_type(asked)? {
        GrantType::ClientCredentials => client_credentials::grant(asked),
        GrantType::TokenExchange => token_exchange::grant(asked, held),
        GrantType::RefreshToken => refresh_token::grant(asked, held),
        GrantType::JwtBearer => jwt_bearer::grant(asked, held),
    }
}

fn grant_type(asked: Asked<'_, '_>) -> Result<GrantType, Refusal> {
    let grant_type = asked.request.grant_type.ok_or(Refusal::UnsupportedGrant)?;
    let is_registered = asked.client.grants.contains(grant_type);
    match is_registered {
        true => Ok(grant_type),
        false => Err(Refusal::UnregisteredGrant),
    }
}
