//! What a request brings to be carried on to other services, and whether its token says the same.

use hallpass_client::context::Carried;
use hallpass_client::{ClaimDemand, ContextSettings, TenantSettings};
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
    let beliefs = sent(tenant, headers).map(|value| belief(tenant, value, caller));
    match beliefs.max().unwrap_or(Belief::Counts) {
        Belief::Counts => (carried, None),
        Belief::Nothing => (carried.without(&tenant.header), None),
        Belief::Contradiction => (
            carried.without(&tenant.header),
            Some(Denial::TenantMismatch),
        ),
    }
}

/// What becomes of a tenant that a request names; of several the last one here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Belief {
    /// It goes on with the calls that are made for the request.
    Counts,
    /// It does not, and that is all: nobody has proven anything.
    Nothing,
    /// The request should not pass.
    Contradiction,
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

/// Whether the token agrees; where it says nothing, whether its bearer is taken at his word.
fn belief(tenant: &TenantSettings, value: &HeaderValue, caller: Option<&Verified>) -> Belief {
    let is_it = |text: &str| text.as_bytes() == value.as_bytes();
    let claim = caller.and_then(|it| it.context().claims().extra.get(&tenant.claim));
    let agrees = match claim {
        None | Some(Value::Null) => return without_claim(tenant.demand, caller),
        Some(Value::String(own)) => is_it(own),
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).any(is_it),
        Some(Value::Bool(_) | Value::Number(_) | Value::Object(_)) => false,
    };
    match agrees {
        true => Belief::Counts,
        false => Belief::Contradiction,
    }
}

fn without_claim(demand: ClaimDemand, caller: Option<&Verified>) -> Belief {
    match (demand, caller) {
        (ClaimDemand::None, _) => Belief::Counts,
        // It works for all tenants. A service that acts for a user is none of these.
        (ClaimDemand::Users, Some(caller)) if caller.is_internal_service() => Belief::Counts,
        (ClaimDemand::Users, None) => Belief::Nothing,
        (ClaimDemand::Users, Some(_)) | (ClaimDemand::All, _) => Belief::Contradiction,
    }
}
