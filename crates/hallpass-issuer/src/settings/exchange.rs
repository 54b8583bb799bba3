//! `issuer.clients[].exchange`: whose tokens a client may exchange, and into which.

use hallpass_config::{Key, Kind, Section};
use hallpass_token::{Audience, InvalidName, Issuer, Scope, TokenClaims};

use crate::clients::exchange_rule::{ExchangeRule, MAY_ACT, SUBJECT_PROFILE, SubjectKind};
use crate::settings::names::all_scopes;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "subject-issuer",
        Kind::Text { what: "the `iss` of tokens" },
        "Who issued the tokens that it exchanges.",
    )
    .otherwise("this issuer"),
    Key::new(
        "subject-kinds",
        Kind::Texts { what: "`user` or `service`" },
        "Whom those tokens may be about: a `user`, who is not the client that the token was issued to, or a `service`, which got it for itself.",
    )
    .required(),
    Key::new(
        "subject-audiences",
        Kind::Texts { what: "service names" },
        "Which services those tokens may be made for, beside the client's own id: the names under which the client receives calls.",
    )
    .or(""),
    Key::new(
        "targets",
        Kind::Texts { what: "service names" },
        "Which services the new tokens may be for. They need not be among the client's `audiences`: those are for tokens of its own.",
    )
    .required(),
    Key::new(
        "scopes",
        Kind::Texts { what: "scopes" },
        "Which scopes of the token that is exchanged the new one may have. It never has one that the old one lacks.",
    )
    .or(""),
    Key::new(
        "claims",
        Kind::Texts { what: "names of claims" },
        "Claims that the new token takes over as they are, such as `roles`.",
    )
    .or(""),
    Key::new(
        "dangerous-subjects-of-unknown-origin",
        Kind::Flag,
        "Takes tokens without `client_id` too, and counts their subjects as users. Nothing tells then whom such a token was \
        issued to, nor whether it is an access token at all: one that an issuer made for a login page may look the same.",
    )
    .or("false"),
];

/// `issuer` is this issuer's own name, when that can be read.
pub(super) fn read(section: &Section<'_>, issuer: Option<&Issuer>) -> Option<ExchangeRule> {
    let subject_issuer = section.checked("subject-issuer", |text| check_issuer(text, issuer));
    let subject_kinds = section.required("subject-kinds", |section, key| {
        section.texts(key, |name| {
            SubjectKind::named(name).ok_or("must be `user` or `service`")
        })
    });
    let subject_audiences = section.texts("subject-audiences", str::parse::<Audience>);
    let targets = section.required("targets", |section, key| {
        section.texts(key, str::parse::<Audience>)
    });
    let scopes = section.words("scopes", Scope::from_word);
    let claims = section.texts("claims", check_claim_name);
    let unknown = section.flag("dangerous-subjects-of-unknown-origin");
    for (key, is_empty) in [
        (
            "subject-kinds",
            subject_kinds.as_ref().is_some_and(Vec::is_empty),
        ),
        ("targets", targets.as_ref().is_some_and(Vec::is_empty)),
    ] {
        if is_empty {
            section.problem(key, "is empty: the rule would allow nothing");
        }
    }
    if section.has("subject-issuer") && subject_issuer.is_none() {
        return None;
    }
    Some(ExchangeRule {
        subject_issuer,
        subject_kinds: subject_kinds?,
        subject_audiences: subject_audiences?,
        targets: targets?,
        scope: all_scopes(section, "scopes", &scopes?)?,
        claims: claims?,
        dangerous_subjects_of_unknown_origin: unknown?,
    })
}

fn check_issuer(text: &str, own: Option<&Issuer>) -> Result<Issuer, String> {
    let issuer: Issuer = text
        .parse()
        .map_err(|error: InvalidName| error.to_string())?;
    match own {
        Some(own) if *own != issuer => {
            Err("is not the `name` of this issuer, and it trusts no other one".to_owned())
        }
        _ => Ok(issuer),
    }
}

fn check_claim_name(name: &str) -> Result<String, &'static str> {
    let is_of_exchange = matches!(name, SUBJECT_PROFILE | MAY_ACT);
    if TokenClaims::is_reserved(name) || name == "scp" || is_of_exchange {
        return Err("is a claim that an exchanged token has of its own");
    }
    if name.is_empty() {
        return Err("must not be empty");
    }
    Ok(name.to_owned())
}
