//! `client-authentication`: how a service proves who it is, and what it may have for that; `dpop`: that its tokens are its own.

use std::path::PathBuf;

use hallpass_config::{Preferred, Secret, Section};
use hallpass_token::{AssertionSigner, ClientId, DpopKey, Issuer, KeyId};
use hallpass_upstream::EndpointUrl;

use crate::credential::Credential;
use crate::credential::assertion_file;
use crate::credential::request::{AssertionType, ClientAuthentication};
use crate::prover::TokenBinding;

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
    /// `assertion-typ: JWT`: what is signed does not say by its `typ` what it is for, for servers that do not know that yet.
    pub has_plain_type: bool,
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
        let has_plain_type = section.choice("assertion-typ", |name| match name {
            "client-authentication+jwt" => Some(false),
            "JWT" => Some(true),
            _ => None,
        });
        Some(Self {
            key: usable?,
            file: file?,
            key_id,
            audience: audience?.to_string(),
            has_plain_type: has_plain_type?,
        })
    }
}

/// What a service shows that another issuer has given it.
#[derive(Clone, Debug)]
pub struct ClientAssertionSettings {
    /// `client-assertion-file`: the file of the token. It had one when the settings were read, and is read again while the service runs.
    pub file: PathBuf,
    /// `client-assertion-type`: what it is sent as.
    pub assertion_type: AssertionType,
    /// `cache-secret`: what tokens are sealed with in a shared cache; without it they stay in the memory of the process.
    pub cache_secret: Option<Secret>,
}

impl ClientAssertionSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        const FILE: &str = "client-assertion-file";
        let file = section.required(FILE, |section, key| {
            let file = section.file(key)?;
            // One that has ended is renewed later: token requests say so until then.
            match assertion_file::read(&file) {
                Ok(_) => Some(file),
                Err(fault) => {
                    section.problem(key, fault.to_string());
                    None
                }
            }
        });
        let assertion_type = section.choice("client-assertion-type", |name| match name {
            "jwt-bearer" => Some(AssertionType::JwtBearer),
            "jwt-spiffe" => Some(AssertionType::JwtSpiffe),
            _ => None,
        });
        let is_given = section.has("cache-secret") || section.has("cache-secret-file");
        let cache_secret = match is_given {
            true => section.secret("cache-secret").map(Some),
            false => Some(None),
        };
        Some(Self {
            file: file?,
            assertion_type: assertion_type?,
            cache_secret: cache_secret?,
        })
    }
}

/// Whether a client that proves itself so has a secret.
pub(super) const fn needs_secret(authentication: Option<ClientAuthentication>) -> bool {
    matches!(
        authentication,
        None | Some(ClientAuthentication::Basic | ClientAuthentication::Post)
    )
}

/// The file that the secret was read from; only after it was, since problems with it are told then.
pub(super) fn secret_file(section: &Section<'_>) -> Option<PathBuf> {
    match section.prefer("client-secret", "client-secret-file")? {
        Preferred::First => None,
        Preferred::Second => section.file("client-secret-file"),
    }
}

/// A client of an endpoint, and what it proves itself by.
pub(super) struct Proof<'a> {
    pub(super) client_id: ClientId,
    pub(super) endpoint: EndpointUrl,
    pub(super) authentication: ClientAuthentication,
    pub(super) secret: Secret,
    pub(super) private_key: Option<&'a PrivateKeySettings>,
    pub(super) assertion: Option<&'a ClientAssertionSettings>,
}

/// The client, with what it proves itself by.
pub(super) fn proving(proof: Proof<'_>) -> Credential {
    let (id, url) = (proof.client_id, proof.endpoint);
    if let (ClientAuthentication::FederatedJwt, Some(shown)) =
        (proof.authentication, proof.assertion)
    {
        let credential = Credential::federated(id, &shown.file, shown.assertion_type, url);
        return match &shown.cache_secret {
            Some(secret) => credential.with_cache_secret(secret.clone()),
            None => credential,
        };
    }
    match (proof.authentication, proof.private_key) {
        (ClientAuthentication::PrivateKeyJwt, Some(key)) => {
            let credential = Credential::signing_unchecked(id, key.key.clone(), url, &key.audience);
            let credential = credential.with_secret_file(&key.file);
            let credential = match key.has_plain_type {
                true => credential.with_plain_assertion_type(),
                false => credential,
            };
            match &key.key_id {
                Some(key_id) => credential.with_key_id(key_id.clone()),
                None => credential,
            }
        }
        (ClientAuthentication::Certificate, _) => {
            Credential::with_certificate_of_connection(id, url)
        }
        (authentication, _) => {
            Credential::new(id, proof.secret, url).with_authentication(authentication)
        }
    }
}

pub(super) fn authentication(name: &str) -> Option<ClientAuthentication> {
    match name {
        "basic" => Some(ClientAuthentication::Basic),
        "post" => Some(ClientAuthentication::Post),
        "private_key_jwt" => Some(ClientAuthentication::PrivateKeyJwt),
        "federated_jwt" => Some(ClientAuthentication::FederatedJwt),
        "tls_client_auth" | "self_signed_tls_client_auth" => {
            Some(ClientAuthentication::Certificate)
        }
        _ => None,
    }
}

/// What stands beside a way to authenticate that has no use for it. What is inherited is passed over.
pub(super) fn report_unused(section: &Section<'_>, authentication: Option<ClientAuthentication>) {
    use ClientAuthentication::{Basic, Certificate, FederatedJwt, Post, PrivateKeyJwt};
    let secret: &[&str] = &["client-secret", "client-secret-file"];
    let key: &[&str] = &[
        "private-key-file",
        "key-id",
        "assertion-audience",
        "assertion-typ",
    ];
    let assertion: &[&str] = &[
        "client-assertion-file",
        "client-assertion-type",
        "cache-secret",
        "cache-secret-file",
    ];
    let unused = match authentication {
        // What is wrong with it is told already.
        None => return,
        Some(Basic | Post) => [key, assertion, &[]],
        Some(PrivateKeyJwt) => [secret, assertion, &[]],
        Some(FederatedJwt) => [secret, key, &[]],
        Some(Certificate) => [secret, key, assertion],
    };
    for key in unused
        .iter()
        .copied()
        .flatten()
        .filter(|key| section.has_own(key))
    {
        let message = "is of no use with this `client-authentication`";
        section.problem(key, message);
    }
}

/// `dpop`, and the key that tokens are bound to.
pub(super) fn read_binding(section: &Section<'_>) -> Option<TokenBinding> {
    let is_bound = section.flag("dpop")?;
    let (key, file) = ("dpop-key", "dpop-key-file");
    // What is wrong with a key is told also where it is not used.
    let given = section.has(key) || section.has(file);
    let read = given.then(|| section.secret(key)).flatten();
    let read = read.map(|pem| DpopKey::from_pem(pem.expose()));
    match read {
        Some(Err(error)) => {
            let place = if section.has(file) { file } else { key };
            section.problem(place, error.to_string());
            None
        }
        None if given => None,
        _ if !is_bound => Some(TokenBinding::None),
        Some(Ok(key)) => Some(TokenBinding::Key(key)),
        None => Some(TokenBinding::OwnKey),
    }
}
