//! `client-authentication`: how a service proves who it is, and the key that it may have for that.

use std::path::PathBuf;

use hallpass_config::{Secret, Section};
use hallpass_token::{AssertionSigner, Issuer, KeyId};

use crate::credential::request::ClientAuthentication;

/// With what a client signs who it is.
#[derive(Clone, Debug)]
pub struct PrivateKeySettings {
    /// What `private-key-file` holds: a private key in PEM that can be used.
    pub key: Secret,
    /// `private-key-file`: it is read again while the service runs.
    pub file: PathBuf,
    /// `key-id`: the name of the key at the issuer; by default its thumbprint.
    pub key_id: Option<KeyId>,
    /// `assertion-audience`, by default `issuer`: to whom what is signed is addressed.
    pub audience: String,
}

impl PrivateKeySettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        const FILE: &str = "private-key-file";
        if !section.has(FILE) {
            section.missing(FILE, "is required with `private_key_jwt`");
        }
        let key = section.text_in_file(FILE);
        let file = key.as_ref().and_then(|_| section.file(FILE));
        let usable = key.filter(|key| match AssertionSigner::from_pem(key.expose()) {
            Ok(_) => true,
            Err(error) => {
                section.problem(FILE, error.to_string());
                false
            }
        });
        let key_id = section.parsed("key-id");
        let audience: Option<Issuer> = match section.has("assertion-audience") {
            true => section.parsed("assertion-audience"),
            false => section.parsed("issuer"),
        };
        if audience.is_none() && !section.has("assertion-audience") && !section.has("issuer") {
            section.missing(
                "assertion-audience",
                "is required with `private_key_jwt`, or issuer",
            );
        }
        Some(Self {
            key: usable?,
            file: file?,
            key_id,
            audience: audience?.to_string(),
        })
    }
}

pub(super) fn authentication(name: &str) -> Option<ClientAuthentication> {
    match name {
        "basic" => Some(ClientAuthentication::Basic),
        "post" => Some(ClientAuthentication::Post),
        "private_key_jwt" => Some(ClientAuthentication::PrivateKeyJwt),
        "tls_client_auth" | "self_signed_tls_client_auth" => {
            Some(ClientAuthentication::Certificate)
        }
        _ => None,
    }
}

/// What stands beside a way to authenticate that has no use for it. What is inherited is passed over.
pub(super) fn report_unused(section: &Section<'_>, needs_secret: bool, signs: bool) {
    let secret = ["client-secret", "client-secret-file"];
    let key = ["private-key-file", "key-id", "assertion-audience"];
    let secret = secret.into_iter().filter(|_| !needs_secret);
    let key = key.into_iter().filter(|_| !signs);
    for key in secret.chain(key).filter(|key| section.has_own(key)) {
        let message = "is of no use with this `client-authentication`";
        section.problem(key, message);
    }
}
