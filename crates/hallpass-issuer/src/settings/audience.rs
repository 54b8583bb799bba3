//! `issuer.audiences`: services whose tokens look different, because their verifiers are not Hallpass.

use std::str::FromStr as _;

use hallpass_config::{Key, Kind, Section};
use hallpass_token::{Algorithm, Audience, TokenClaims, TokenType};
use serde_json::{Map, Value};

use crate::clients::exchange_rule::{MAY_ACT, SUBJECT_ID, SUBJECT_PROFILE};
use crate::settings::names::signing_algorithm;

pub(super) const KEYS: &[Key] = &[
    Key::new("name", Kind::Text { what: "a service name" }, "The audience. Unique in the list; which clients may call it is said by their `audiences`.")
        .required(),
    Key::new(
        "profile",
        Kind::Choice(&["hallpass", "spring"]),
        "What its verifier takes. `spring` is a resource server of Spring Security as it comes: `typ` is `JWT`, and the \
        algorithm is RS256 (with `jws-algorithms: ES256` on its side, or with `issuer-uri`, set `algorithm: ES256`; EdDSA it \
        does not know).",
    )
    .or("hallpass"),
    Key::new(
        "algorithm",
        Kind::Choice(&["ES256", "EdDSA", "Ed25519", "RS256"]),
        "What its tokens are signed with. The issuer keeps a key for each algorithm in use.",
    )
    .otherwise("`RS256` in the profile `spring`, else that of the issuer"),
    Key::new(
        "typ",
        Kind::Choice(&["at+jwt", "JWT"]),
        "The `typ` in the header of its tokens.",
    )
    .otherwise("`JWT` in the profile `spring`, else `at+jwt`"),
    Key::new(
        "claims",
        Kind::Sections(CLAIM_KEYS),
        "Claims that its tokens bear beside the usual ones, the same for every client.",
    ),
];

pub(super) const CLAIM_KEYS: &[Key] = &[
    Key::new(
        "name",
        Kind::Text { what: "" },
        "The claim's name; none of those that every token has.",
    )
    .required(),
    Key::new("value", Kind::Text { what: "" }, "Its value, a text.")
        .otherwise("required, or `values`"),
    Key::new(
        "values",
        Kind::Texts { what: "texts" },
        "Its value as a list of texts.",
    )
    .otherwise("required, or `value`"),
];

/// A service whose tokens look different from the usual ones.
#[derive(Clone, Debug, PartialEq)]
pub struct AudienceSettings {
    /// `name`: the audience.
    pub name: String,
    /// `algorithm`: what its tokens are signed with; by default that of the issuer.
    pub algorithm: Option<Algorithm>,
    /// `typ`: what the header of its tokens says.
    pub token_type: TokenType,
    /// `claims`: what its tokens say beside the usual. A reserved name makes every token for it fail.
    pub claims: Map<String, Value>,
}

impl AudienceSettings {
    /// A service whose tokens look as usual: the profile `hallpass`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            algorithm: None,
            token_type: TokenType::AccessToken,
            claims: Map::new(),
        }
    }

    /// A resource server of Spring Security as it comes: RS256 and `typ: JWT`. The profile `spring`.
    #[must_use]
    pub fn spring(name: &str) -> Self {
        Self {
            algorithm: Some(Algorithm::Rs256),
            token_type: TokenType::Jwt,
            ..Self::new(name)
        }
    }

    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let name = section.required("name", |section, key| {
            section.checked(key, |text| {
                Audience::from_str(text).map(|_| text.to_owned())
            })
        });
        let profile = section.choice("profile", |profile| match profile {
            "spring" => Some(Self::spring("")),
            "hallpass" => Some(Self::new("")),
            _ => None,
        });
        let algorithm = section.choice("algorithm", signing_algorithm);
        let token_type = section.choice("typ", |name| {
            [TokenType::AccessToken, TokenType::Jwt]
                .into_iter()
                .find(|token_type| token_type.as_str() == name)
        });
        let claims: Vec<_> = section.sections("claims").iter().map(read_claim).collect();
        let (name, profile) = (name?, profile?);
        if profile == Self::spring("") && algorithm == Some(Algorithm::EdDsa) {
            let message = "Spring Security knows no EdDSA: its resource servers would refuse every token. Remove the key, or \
                choose `RS256` or `ES256`";
            section.problem("algorithm", message);
            return None;
        }
        Some(Self {
            name,
            algorithm: algorithm.or(profile.algorithm),
            token_type: token_type.unwrap_or(profile.token_type),
            claims: claims.into_iter().collect::<Option<_>>()?,
        })
    }
}

pub(super) fn read_claim(section: &Section<'_>) -> Option<(String, Value)> {
    let name = section.required("name", |section, key| {
        section.checked(key, check_claim_name)
    });
    let value = section.checked("value", |text| Ok::<_, String>(text.to_owned()));
    let is_list = section.has_own("values");
    let values = section.texts("values", |text| Ok::<_, String>(Value::from(text)));
    let value = match (value, values.filter(|_| is_list)) {
        (Some(text), None) => Value::from(text),
        (None, Some(values)) => Value::Array(values),
        _ => {
            section.problem("value", "a claim has either `value` or `values`");
            return None;
        }
    };
    Some((name?, value))
}

fn check_claim_name(name: &str) -> Result<String, &'static str> {
    if TokenClaims::is_reserved(name)
        || matches!(name, "scp" | SUBJECT_PROFILE | SUBJECT_ID | MAY_ACT)
    {
        return Err("is a claim that every token has of its own");
    }
    if name.is_empty() {
        return Err("must not be empty");
    }
    Ok(name.to_owned())
}
