//! What a request brings to be carried on to other services, and whether its token says the same.

use hallpass_client::context::Carried;
use hallpass_client::{ContextSettings, TenantSettings};
use hallpass_token::VerifiedClaims;
use http::{HeaderMap, HeaderValue};
use serde_json::Value;

use crate::error::Denial;
use crate::identity_headers::is_spelling_of;
use crate::verifier::Verified;

/// What goes on with the calls that are made for the request, and why the request should not pass, if so: what is refused
/// is not carried on either, where the request passes for its mode.
pub(super) fn judge(
    settings: &ContextSettings,
    headers: &HeaderMap,
    caller: Option<&Verified>,
) -> (Carried, Option<Denial>) {
    let carried = match settings.headers.read(headers) {
        Ok(carried) => carried,
        Err(fault) => return (Carried::default(), Some(fault.into())),
    };
    let Some(tenant) = &settings.tenant else {
        return (carried, None);
    };
    let claims = caller.map(|it| it.context().claims());
    if sent(tenant, headers).all(|value| is_of(tenant, value, claims)) {
        return (carried, None);
    }
    (
        carried.without(&tenant.header),
        Some(Denial::TenantMismatch),
    )
}

/// The tenants that the request names: in the header, and in what programs behind may take for it.
fn sent<'r>(
    tenant: &'r TenantSettings,
    headers: &'r HeaderMap,
) -> impl Iterator<Item = &'r HeaderValue> {
    let canonical = tenant.header.as_str();
    let named = headers.iter();
    named.filter_map(move |(name, value)| is_spelling_of(name.as_str(), canonical).then_some(value))
}

/// Whether the token agrees. One that says nothing does, unless it has to say something.
fn is_of(tenant: &TenantSettings, value: &HeaderValue, claims: Option<&VerifiedClaims>) -> bool {
    let is_it = |text: &str| text.as_bytes() == value.as_bytes();
    match claims.and_then(|it| it.extra.get(&tenant.claim)) {
        None | Some(Value::Null) => !tenant.demands_claim,
        Some(Value::String(own)) => is_it(own),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(is_it),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => false,
    }
}
