//! `issuer`: the authorization server.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::GrantType;
use crate::Secret;

/// The authorization server.
#[derive(Clone, Debug)]
pub struct IssuerSettings {
    /// `listen`: address and port to listen on.
    pub listen: SocketAddr,
    /// `name`: what its tokens bear in `iss`.
    pub name: String,
    /// `base-url`: the address clients reach it at, for the metadata document (RFC 8414). `None` uses the `Host`
    /// of each request.
    pub base_url: Option<Url>,
    /// `store`: file of the embedded database.
    pub store: PathBuf,
    /// `key-encryption-key` or `key-encryption-key-file`: seals private keys in the store.
    pub key_encryption_key: Option<Secret>,
    /// `algorithm`: what new signing keys are made for.
    pub algorithm: AlgorithmName,
    /// `token-life-seconds`: life of a token unless its client says otherwise.
    pub token_life: Duration,
    /// `jwks-max-age-seconds`: how long verifiers may keep the public keys.
    pub jwks_max_age: Duration,
    /// `clients`: who may ask for tokens.
    pub clients: Vec<RegisteredClient>,
}

impl Default for IssuerSettings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9000)),
            name: "internal".to_owned(),
            base_url: None,
            store: PathBuf::from("hallpass.db"),
            key_encryption_key: None,
            algorithm: AlgorithmName::default(),
            token_life: Duration::from_secs(600),
            jwks_max_age: Duration::from_secs(300),
            clients: Vec::new(),
        }
    }
}

/// The name of a signature algorithm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum AlgorithmName {
    /// `ES256`: ECDSA with P-256 and SHA-256 (RFC 7518 section 3.4).
    #[default]
    Es256,
    /// `EdDSA` or `Ed25519` (RFC 8037 section 3.1).
    EdDsa,
    /// `RS256`: RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    Rs256,
}

impl AlgorithmName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Es256, Self::EdDsa, Self::Rs256];

    /// The name in a token's header (RFC 7518 section 3.1).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
        }
    }
}

/// A client that may ask for tokens.
#[derive(Clone, Debug)]
pub struct RegisteredClient {
    /// `client-id`: unique in the list.
    pub client_id: String,
    /// `client-secret` or `client-secret-file`.
    pub client_secret: Secret,
    /// `secret-kind`: how the secret is hashed in memory.
    pub secret_kind: SecretKind,
    /// `scopes`: what it may ask for; nothing by default.
    pub scopes: Vec<String>,
    /// `audiences`: which services it may call; none by default.
    pub audiences: Vec<String>,
    /// `grant-types`.
    pub grant_types: Vec<GrantType>,
    /// `token-life-seconds`: by default that of the issuer.
    pub token_life: Option<Duration>,
}

/// Who made up a client's secret.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SecretKind {
    /// `chosen`: by a person; it is kept as a costly hash, since it may be guessed.
    #[default]
    Chosen,
    /// `generated`: 256 random bits; one digest is enough.
    Generated,
}
