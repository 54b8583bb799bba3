//! What a client may be registered for, and never could use.

use hallpass_config::Section;
use hallpass_token::{Audience, Scope};

use crate::clients::registration::{ClientCall, GrantType, GrantTypes};

pub(super) const REFRESH_LIFE: &str = "refresh-token-life-seconds";

/// What is held against each other.
pub(super) struct Asked<'c> {
    pub(super) grants: GrantTypes,
    pub(super) scope: &'c Scope,
    pub(super) audiences: &'c [Audience],
    pub(super) calls: &'c [ClientCall],
}

/// Reports what could never count: whoever wrote it meant something else.
pub(super) fn report(section: &Section<'_>, client: &Asked<'_>) {
    if !client.grants.contains(GrantType::ClientCredentials) {
        for key in ["audiences", "scopes", "calls", "claims"] {
            if section.has(key) {
                let message = "is of no use without `client_credentials` in `grant-types`: it is about tokens that the client gets for itself";
                section.problem(key, message);
            }
        }
    }
    for call in client.calls {
        let name = call.audience.as_str();
        if client.audiences.contains(&call.audience) {
            section.problem(
                "calls",
                format!("has a service that stands in `audiences` too: `{name}`"),
            );
        }
    }
    let has_all_scopes = !client.audiences.is_empty() || client.calls.is_empty();
    if !client.scope.is_empty() && !has_all_scopes {
        section.problem(
            "scopes",
            "is of no use without `audiences`: each of `calls` has its own",
        );
    }
}

/// A refresh token comes with what another grant brings.
pub(super) fn check_refresh(section: &Section<'_>, grant_types: Option<&[GrantType]>) {
    let Some(grants) = grant_types else { return };
    let refresh = GrantType::RefreshToken;
    if !grants.contains(&refresh) && section.has(REFRESH_LIFE) {
        section.problem(
            REFRESH_LIFE,
            "is of no use without `refresh_token` in `grant-types`",
        );
    }
    if grants.contains(&refresh) && grants.iter().all(|grant| *grant == refresh) {
        section.problem(
            "grant-types",
            "has nothing but `refresh_token`, which no other grant would ever bring",
        );
    }
}
