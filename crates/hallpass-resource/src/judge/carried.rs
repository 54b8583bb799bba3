//! What a request brings to be carried on to other services, and whether its token says the same.

use hallpass_client::context::Carried;
use hallpass_client::{ClaimDemand, ContextSettings, TenantSettings};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::error::Denial;
use crate::identity_headers::is_spelling_of;
use crate::verifier::Verified;

/// What a request brings for the calls that are made for it. Of headers that are not clear, or too long, nothing.
#[derive(Debug, Default)]
pub(super) struct Brought {
    carried: Carried,
    /// The header of a tenant that does not count.
    unproven: Option<HeaderName>,
}

impl Brought {
    /// What goes on. A tenant that does not count does so where nothing is enforced: a rule that is only reported changes nothing of what services get.
    pub(super) fn into_carried(self, is_enforced: bool) -> Carried {
        match self.unproven {
            Some(tenant) if is_enforced => self.carried.without(&tenant),
            _ => self.carried,
        }
    }
}

/// What goes on with the calls that are made for the request, and why the request should not pass, if so.
pub(super) fn judge(
    settings: &ContextSettings,
    headers: &HeaderMap,
    caller: Option<&Verified>,
) -> (Brought, Option<Denial>) {
    let carried = match settings.headers.read(headers) {
        Ok(carried) => carried,
        Err(fault) => return (Brought::default(), Some(fault.into())),
    };
    let Some(tenant) = &settings.tenant else {
        let unproven = None;
        return (Brought { carried, unproven }, None);
    };
    let beliefs = sent(tenant, headers).map(|value| belief(tenant, value, caller));
    let belief = beliefs.max().unwrap_or(Belief::Counts);
    let brought = Brought {
        carried,
        unproven: (belief != Belief::Counts).then(|| tenant.header.clone()),
    };
    let denial = (belief == Belief::Contradiction).then_some(Denial::TenantMismatch);
    (brought, denial)
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

/// The tenants that the request names: in the header, and in what programs behind may take for it. An empty one names none: by that most proxies
/// say that the request has no such header.
fn sent<'r>(
    tenant: &'r TenantSettings,
    headers: &'r HeaderMap,
) -> impl Iterator<Item = &'r HeaderValue> {
    let canonical = tenant.header.as_str();
    let named = headers.iter().filter(|(_, value)| !value.is_empty());
    named.filter_map(move |(name, value)| is_spelling_of(name.as_str(), canonical).then_some(value))
}

/// Whether the token agrees; where it says nothing, whether its bearer is taken at his word.
fn belief(tenant: &TenantSettings, value: &HeaderValue, caller: Option<&Verified>) -> Belief {
    // A whole number is its digits: many estates number their tenants.
    let is_it = |claimed: &Value| match claimed {
        Value::String(text) => text.as_bytes() == value.as_bytes(),
        Value::Number(number) if number.is_u64() || number.is_i64() => {
            number.to_string().as_bytes() == value.as_bytes()
        }
        _ => false,
    };
    let claim = caller.and_then(|it| it.context().claims().extra.get(&tenant.claim));
    let agrees = match claim {
        None | Some(Value::Null) => return without_claim(tenant.demand, caller),
        Some(Value::Array(several)) => several.iter().any(is_it),
        Some(own) => is_it(own),
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
