//! `assertions`: which tokens of trusted issuers prove that somebody is the client.

use hallpass_config::{Key, Kind, Section};

use crate::clients::assertion_rule::{AssertionRule, ClaimCondition};
use crate::settings::exchange::Issuers;

pub(super) const KEYS: &[Key] = &[
    Key::new("issuer", Kind::Text { what: "" }, "Who has issued the token: one of `trusted-issuers`, by its `issuer`.").required(),
    Key::new(
        "subject",
        Kind::Text { what: "such as `system:serviceaccount:shop:orders`" },
        "What its `sub` must be. A `*` at the end stands for one whole segment, after `/` or `:`: `spiffe://prod.example/ns/shop/*`. \
        Without it, the token must be a service's own, as `preset` or `service-when` of its issuer tell: tokens of users bear claims \
        of the client that they were issued to.",
    )
    .otherwise("that of any service; then `claims` must say something"),
    Key::new("claims", Kind::Sections(CLAIM_KEYS), "What further claims of it must be: all of them."),
];

const CLAIM_KEYS: &[Key] = &[
    Key::new(
        "path",
        Kind::Texts { what: "names" },
        "The name of the claim, and then of members within it: `[kubernetes.io, serviceaccount, uid]`.",
    )
    .required(),
    Key::new("value", Kind::Text { what: "" }, "What its text, number or truth value must be, written as `subject`.").required(),
];

pub(super) fn read(section: &Section<'_>, issuers: Issuers<'_>) -> Option<Vec<AssertionRule>> {
    let sections = section.sections("assertions");
    if sections.is_empty() {
        section.missing("assertions", "is required with `federated_jwt`");
        return None;
    }
    let rules: Vec<_> = sections
        .iter()
        .map(|rule| read_rule(rule, issuers))
        .collect();
    rules.into_iter().collect()
}

fn read_rule(section: &Section<'_>, issuers: Issuers<'_>) -> Option<AssertionRule> {
    let issuer = section.required("issuer", |section, key| {
        section.checked(key, |text| issuers.check_trusted(text))
    });
    let subject = section.parsed("subject");
    let conditions = section.sections("claims");
    let claims: Vec<_> = conditions.iter().map(read_condition).collect();
    if !section.has("subject") && conditions.is_empty() {
        section.missing(
            "subject",
            "is required, or claims: everybody of that issuer would be the client",
        );
        return None;
    }
    if section.has("subject") && subject.is_none() {
        return None;
    }
    Some(AssertionRule {
        issuer: issuer?,
        subject,
        claims: claims.into_iter().collect::<Option<_>>()?,
    })
}

fn read_condition(section: &Section<'_>) -> Option<ClaimCondition> {
    let path = section.required("path", |section, key| {
        section.texts(key, |name| Ok::<_, String>(name.to_owned()))
    });
    if path.as_ref().is_some_and(Vec::is_empty) {
        section.problem("path", "is empty: it names no claim");
        return None;
    }
    let value = section.required("value", Section::parsed);
    Some(ClaimCondition {
        path: path?,
        value: value?,
    })
}
