//! Reads how the tokens of an issuer say who calls.

use std::str::FromStr;

use hallpass_config::Section;
use hallpass_token::Audience;

use crate::caller_mapping::{CallerMapping, IssuerPreset, Mark};

/// What [`read_callers`] reads.
pub(super) const CALLER_KEYS: &[&str] = &[
    "preset",
    "client-claims",
    "service-when",
    "user-when",
    "role-claims",
    "authority-claims",
];

/// How tokens say who calls: the preset, with what is set beside it. `own` are audiences of this service, which are no
/// clients.
pub(super) fn read_callers(section: &Section<'_>, own: &[Audience]) -> Option<CallerMapping> {
    let preset = section.choice("preset", IssuerPreset::named);
    let changes = caller_changes(section);
    let claims = |key| match section.has(key) {
        true => section.texts(key, check_claim).map(Some),
        false => Some(None),
    };
    let (roles, authorities) = (claims("role-claims"), claims("authority-claims"));
    let mapping = CallerMapping::from(preset?).without_clients(own.iter().cloned());
    let mut mapping = changes?(mapping);
    if let Some(names) = roles? {
        mapping = mapping.with_role_claims(names.iter().map(String::as_str));
    }
    if let Some(names) = authorities? {
        mapping = mapping.with_authority_claims(names.iter().map(String::as_str));
    }
    Some(mapping)
}

/// What `service-when`, `user-when` and `client-claims` of an issuer change in the mapping of its preset.
pub fn caller_changes(
    section: &Section<'_>,
) -> Option<impl FnOnce(CallerMapping) -> CallerMapping + use<>> {
    // The inner `None` when the list is not given.
    let marks = |key| match section.has(key) {
        true => section.texts(key, Mark::from_str).map(Some),
        false => Some(None),
    };
    let (service_when, user_when) = (marks("service-when"), marks("user-when"));
    let client_claims = match section.has("client-claims") {
        true => section.texts("client-claims", check_claim).map(Some),
        false => Some(None),
    };
    let (client_claims, service_when, user_when) = (client_claims?, service_when?, user_when?);
    Some(move |mut mapping: CallerMapping| {
        if let Some(names) = client_claims {
            mapping = mapping.with_client_claims(names.iter().map(String::as_str));
        }
        if let Some(marks) = service_when {
            mapping = mapping.with_service_marks(marks);
        }
        if let Some(marks) = user_when {
            mapping = mapping.with_user_marks(marks);
        }
        mapping
    })
}

fn check_claim(text: &str) -> Result<String, &'static str> {
    let is_name = !text.is_empty() && !text.contains(char::is_whitespace);
    is_name
        .then(|| text.to_owned())
        .ok_or("must be the name of a claim")
}
