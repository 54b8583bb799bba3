//! `issuer.clients[].exchange`: whose tokens a client may exchange, and into which.

use hallpass_config::{Key, Kind, Section};
use hallpass_token::{InvalidName, Issuer, Scope, TokenClaims};

use crate::clients::exchange_rule::{
    ExchangeRule, MAY_ACT, SUBJECT_ID, SUBJECT_PROFILE, SubjectKind,
};
use crate::settings::names::{all_scopes, check_service};
use crate::settings::trusted_issuer::TrustedIssuerSettings;
use crate::spiffe;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "grant",
        Kind::Choice(&[TOKEN_EXCHANGE, JWT_BEARER]),
        "By which grant: `jwt-bearer` (RFC 7523) is for assertions of a trusted issuer, whose `aud` is this issuer alone and which \
        are neither access tokens nor of a login.",
    )
    .or(TOKEN_EXCHANGE),
    Key::new(
        "subject-issuer",
        Kind::Text { what: "the `iss` of tokens" },
        "Who issued the tokens that it exchanges: this issuer, or one of `trusted-issuers` by its `issuer`.",
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
        "Which services those tokens may be made for, beside the client's own id: the names under which the client receives calls. \
        The own id counts for tokens of this issuer alone; those of another one may be for its `audiences` beside these.",
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
        "scope-mapping",
        Kind::Texts { what: "such as `orders:read -> orders.read`" },
        "For tokens of another issuer: which scope here stands for which of its scopes. Without it, and without `scopes`, its \
        scopes mean nothing here.",
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

const TOKEN_EXCHANGE: &str = "token-exchange";
const JWT_BEARER: &str = "jwt-bearer";

/// Whose tokens may be exchanged; `None` where that cannot be read.
#[derive(Clone, Copy)]
pub(super) struct Issuers<'a> {
    pub(super) own: Option<&'a Issuer>,
    pub(super) trusted: Option<&'a [TrustedIssuerSettings]>,
}

/// One rule; its issuer must be among `issuers`.
pub(super) fn read(section: &Section<'_>, issuers: Issuers<'_>) -> Option<ExchangeRule> {
    let by_assertion = section.choice("grant", is_of_assertions);
    let subject_issuer = section.checked("subject-issuer", |text| issuers.check(text));
    let subject_kinds = section.required("subject-kinds", |section, key| {
        section.texts(key, |name| {
            SubjectKind::named(name).ok_or("must be `user` or `service`")
        })
    });
    let subject_audiences = section.texts("subject-audiences", check_service);
    let targets = section.required("targets", |section, key| section.texts(key, check_service));
    let scopes = section.words("scopes", Scope::from_word);
    let scope_mapping = section.texts("scope-mapping", read_mapping);
    let is_foreign = subject_issuer
        .as_ref()
        .is_some_and(|it| Some(it) != issuers.own);
    if !is_foreign && scope_mapping.as_ref().is_some_and(|it| !it.is_empty()) {
        let message = "is for tokens of another issuer: those of this one keep their scopes";
        section.problem("scope-mapping", message);
    }
    if by_assertion == Some(true) {
        if !is_foreign && (subject_issuer.is_some() || !section.has("subject-issuer")) {
            let message = "must be a trusted issuer, whose assertions the rule is about";
            section.problem("subject-issuer", message);
        }
        if subject_audiences.as_ref().is_some_and(|it| !it.is_empty()) {
            let message = "means nothing here: an assertion is for this issuer alone";
            section.problem("subject-audiences", message);
        }
    }
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
        by_assertion: by_assertion?,
        subject_issuer,
        subject_kinds: subject_kinds?,
        subject_audiences: subject_audiences?,
        targets: targets?,
        scope: all_scopes(section, "scopes", &scopes?)?,
        scope_mapping: scope_mapping?,
        claims: claims?,
        dangerous_subjects_of_unknown_origin: unknown?,
    })
}

impl Issuers<'_> {
    /// One that is trusted, and is not this issuer itself.
    pub(super) fn check_trusted(self, text: &str) -> Result<Issuer, String> {
        let issuer = self.check(text)?;
        match self.own == Some(&issuer) {
            true => Err("is this issuer itself: it must be one of `trusted-issuers`".to_owned()),
            false => Ok(issuer),
        }
    }

    /// The `name` of one that is trusted, and whose tokens say whose they are.
    pub(super) fn check_named(self, name: &str) -> Result<String, &'static str> {
        let Some(trusted) = self.trusted else {
            return Ok(name.to_owned());
        };
        match trusted.iter().find(|it| it.name == name) {
            None => Err("is not the `name` of one of `trusted-issuers`"),
            Some(it) if spiffe::trust_domain(it.issuer.as_str()).is_some() => {
                Err("is a trust domain: its tokens are of workloads, which do not log out")
            }
            Some(_) => Ok(name.to_owned()),
        }
    }

    /// This issuer, or one that is trusted.
    pub(super) fn check(self, text: &str) -> Result<Issuer, String> {
        let issuer: Issuer = text
            .parse()
            .map_err(|error: InvalidName| error.to_string())?;
        let (Some(own), Some(trusted)) = (self.own, self.trusted) else {
            return Ok(issuer);
        };
        match *own == issuer || trusted.iter().any(|it| it.issuer == issuer) {
            true => Ok(issuer),
            false => Err(
                "is neither the `name` of this issuer nor the `issuer` of one of `trusted-issuers`"
                    .to_owned(),
            ),
        }
    }
}

fn is_of_assertions(name: &str) -> Option<bool> {
    match name {
        TOKEN_EXCHANGE => Some(false),
        JWT_BEARER => Some(true),
        _ => None,
    }
}

fn read_mapping(text: &str) -> Result<(Scope, Scope), &'static str> {
    let (theirs, ours) = text.split_once("->").unwrap_or_default();
    let word = |text: &str| Scope::from_word(text.trim());
    match (word(theirs), word(ours)) {
        (Ok(theirs), Ok(ours)) => Ok((theirs, ours)),
        _ => Err("must be two scopes with an arrow between, such as `orders:read -> orders.read`"),
    }
}

fn check_claim_name(name: &str) -> Result<String, &'static str> {
    let is_of_exchange = matches!(name, SUBJECT_PROFILE | SUBJECT_ID | MAY_ACT);
    if TokenClaims::is_reserved(name) || name == "scp" || is_of_exchange {
        return Err("is a claim that an exchanged token has of its own");
    }
    if name.is_empty() {
        return Err("must not be empty");
    }
    Ok(name.to_owned())
}
