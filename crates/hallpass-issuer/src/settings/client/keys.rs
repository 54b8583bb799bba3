//! `jwks`, `jwks-url` and `jwks-file`: the public keys of a client, or its certificates.

use hallpass_config::{Key, Kind, Preferred, Section};
use hallpass_token::{JwkSet, JwkSetError};
use hallpass_upstream::EndpointUrl;
use serde_json::Value;

use crate::clients::client_keys::ClientKeys;

/// The members of a JWK that only who signs may have (RFC 7518 sections 6.2.2, 6.3.2 and 6.4).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

pub(crate) const TLS_KEYS: &[Key] = &[
    Key::new(
        "ca-file",
        Kind::File,
        "PEM: authorities that their certificates may come from, beside those of the operating system.",
    )
    .otherwise("none"),
    Key::new(
        "system-roots",
        Kind::Flag,
        "Whether the authorities of the operating system are trusted too. `false`: those in `ca-file` alone.",
    )
    .or("true"),
    Key::new(
        "certificate-file",
        Kind::File,
        "PEM: the certificate that is shown to who asks for one.",
    )
    .otherwise("none is shown"),
    Key::new(
        "private-key-file",
        Kind::File,
        "PEM, not encrypted: the private key of that certificate.",
    )
    .otherwise("required with `certificate-file`"),
];

/// What the keys of a client are for.
#[derive(Clone, Copy)]
pub(super) enum Purpose {
    /// To verify what it signs.
    Signatures,
    /// To know its certificates by.
    Certificates,
}

/// The one of the three that is given: of those in one source one, else that of the uppermost.
pub(super) fn read(section: &Section<'_>, purpose: Purpose) -> Option<ClientKeys> {
    let given: Vec<&str> = ["jwks", "jwks-url", "jwks-file"]
        .into_iter()
        .filter(|key| section.has(key))
        .collect();
    let Some((first, others)) = given.split_first() else {
        let message = match purpose {
            Purpose::Signatures => "is required with `private_key_jwt`, or jwks-url or jwks-file",
            Purpose::Certificates => {
                "is required with `self_signed_tls_client_auth`, or jwks-url or jwks-file: keys with their certificates in `x5c`"
            }
        };
        section.missing("jwks", message);
        return None;
    };
    let mut uppermost = *first;
    for other in others {
        uppermost = match section.prefer(uppermost, other)? {
            Preferred::First => uppermost,
            Preferred::Second => other,
        };
    }
    match uppermost {
        "jwks" => {
            let check = match purpose {
                Purpose::Signatures => check_jwks,
                Purpose::Certificates => check_certificates,
            };
            section.checked("jwks", check).map(ClientKeys::Inline)
        }
        "jwks-url" => section.checked("jwks-url", check_url).map(ClientKeys::Url),
        _ => section.file("jwks-file").map(ClientKeys::File),
    }
}

/// Public keys, of which one at least can be used.
fn check_jwks(text: &str) -> Result<JwkSet, String> {
    let keys = JwkSet::parse(text.as_bytes()).map_err(|error: JwkSetError| error.to_string())?;
    if has_private_key(text) {
        return Err("has a private key: give the public ones, and make a new pair".into());
    }
    match (keys.keys(), keys.skipped()) {
        ([], []) => Err("has no key".into()),
        ([], [skipped, ..]) => Err(format!("has no key that can be used: {}", skipped.reason)),
        _ => Ok(keys),
    }
}

/// Public keys with their certificates.
fn check_certificates(text: &str) -> Result<JwkSet, String> {
    let keys = JwkSet::parse(text.as_bytes()).map_err(|error: JwkSetError| error.to_string())?;
    if has_private_key(text) {
        return Err("has a private key: give the public ones, and make a new pair".into());
    }
    let all = keys.keys().len() + keys.skipped().len();
    match keys.certificates().len() {
        0 => Err("has no certificate: each key needs one in `x5c`, or its `x5t#S256`".into()),
        certificates if certificates < all => Err(
            "has a key without a certificate that can be told: give it `x5c`, or `x5t#S256`".into(),
        ),
        _ => Ok(keys),
    }
}

fn has_private_key(text: &str) -> bool {
    let set: Value = serde_json::from_str(text).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array).into_iter();
    keys.flatten()
        .any(|key| PRIVATE_MEMBERS.iter().any(|name| key.get(name).is_some()))
}

fn check_url(text: &str) -> Result<EndpointUrl, String> {
    match text.parse() {
        Ok(EndpointUrl::LoadBalanced { .. }) => {
            Err("must be an https URL, or http to a loopback address".into())
        }
        Ok(url) => Ok(url),
        Err(error) => Err(error.to_string()),
    }
}
