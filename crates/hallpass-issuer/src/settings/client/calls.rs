//! `calls`: services that a client may call with scopes of their own.

use hallpass_config::{Key, Kind, Section, report_doubles};
use hallpass_token::Scope;

use crate::clients::registration::ClientCall;
use crate::settings::names::{all_scopes, check_service};

pub(super) const KEYS: &[Key] = &[
    Key::new("audience", Kind::Text { what: "a service name" }, "The service. Not one of `audiences`, and not twice.").required(),
    Key::new(
        "scopes",
        Kind::Texts { what: "scopes" },
        "What tokens for it may have; `scopes` of the client do not count here. By default nothing.",
    )
    .or(""),
];

/// The entries of `calls`.
pub(super) fn read(client: &Section<'_>) -> Option<Vec<ClientCall>> {
    let sections = client.sections("calls");
    report_doubles(&sections, "audience");
    let read: Vec<_> = sections.iter().map(read_call).collect();
    read.into_iter().collect()
}

fn read_call(section: &Section<'_>) -> Option<ClientCall> {
    let audience = section.required("audience", |section, key| {
        section.checked(key, check_service)
    });
    let scopes = section.words("scopes", Scope::from_word);
    Some(ClientCall {
        scope: all_scopes(section, "scopes", &scopes?)?,
        audience: audience?,
    })
}
