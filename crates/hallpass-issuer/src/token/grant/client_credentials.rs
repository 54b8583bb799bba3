//! `client_credentials` (RFC 6749 section 4.4): the client asks for itself, so it is the subject too (RFC 9068
//! section 2.2).

use crate::clients::registry::Client;
use crate::token::entitlement::{Entitlement, choose_target, grant_scope};
use crate::token::refusal::Refusal;
use crate::token::request::TokenRequest;

/// # Errors
/// Those of [`choose_target`], then those of [`grant_scope`].
pub(super) fn grant<'c>(
    client: &'c Client,
    request: &TokenRequest<'_>,
) -> Result<Entitlement<'c>, Refusal> {
    Ok(Entitlement {
        subject: &client.subject,
        target: choose_target(client, &request.target)?,
        scope: grant_scope(client, request.scope.as_deref())?,
        token_life: client.token_life,
    })
}
