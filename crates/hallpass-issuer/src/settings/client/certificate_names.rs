//! `certificate`: the names in certificates that a client gets.

use hallpass_config::{Key, Kind, Section};

use crate::clients::certificate_names::CertificateNames;
use crate::spiffe;

/// Its section below a client.
pub(in crate::settings) const SECTION: &str = "certificate";
pub(in crate::settings) const SPIFFE_ID: &str = "spiffe-id";
/// Most names of one certificate.
const MOST_NAMES: usize = 32;

pub(super) const KEYS: &[Key] = &[
    Key::new(
        SPIFFE_ID,
        Kind::Text {
            what: "a SPIFFE id such as `spiffe://shop.example/order-service`",
        },
        "The one URI in it, by which peers know the client. Of the trust domain of `issuer.ca`, and of no other client.",
    )
    .required(),
    Key::new(
        "dns-names",
        Kind::Texts { what: "DNS names" },
        "The names that it has as a server: what its callers put into their URLs. No patterns.",
    )
    .or(""),
    Key::new(
        "life-seconds",
        Kind::seconds(300, 86_400),
        "How long each counts. The client renews it when half of that is over.",
    )
    .otherwise("`issuer.ca.certificate-life-seconds`"),
];

/// `Some(None)` without the section.
pub(super) fn read(client: &Section<'_>) -> Option<Option<CertificateNames>> {
    let section = client.section(SECTION);
    if !section.is_given() {
        return Some(None);
    }
    let spiffe_id = section.required(SPIFFE_ID, |section, key| {
        section.checked(key, check_spiffe_id)
    });
    let dns_names = section.texts("dns-names", check_dns_name);
    if dns_names.as_ref().is_some_and(|it| it.len() > MOST_NAMES) {
        section.problem("dns-names", format!("has more than {MOST_NAMES} names"));
    }
    let life = section.seconds("life-seconds");
    Some(Some(CertificateNames {
        spiffe_id: spiffe_id?,
        dns_names: dns_names?,
        life,
    }))
}

/// One of a workload: with a path.
fn check_spiffe_id(text: &str) -> Result<String, &'static str> {
    match spiffe::trust_domain(text) {
        Some(domain) if domain.len() < text.len() => Ok(text.to_owned()),
        Some(_) => Err("is a trust domain: a client has a path after it"),
        None => Err("is not a SPIFFE id such as `spiffe://shop.example/order-service`"),
    }
}

/// In lower case, so that two of them are one text.
fn check_dns_name(text: &str) -> Result<String, &'static str> {
    let is_of_label = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(is_of_label)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_address = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    match text.len() <= 253 && !is_address && text.split('.').all(is_label) {
        true => Ok(text.to_owned()),
        false => Err(
            "must be one DNS name, whole and in lower case: patterns and addresses are not known",
        ),
    }
}
