//! Checked settings: one file a section.
//!
//! Every type here is what comes out of [`Loader::load`](crate::Loader::load): each value has been checked, so
//! that the code that runs on it needs no check of its own. Programs and tests may also fill the structs by
//! hand; rules that tie two fields together are held by types with private fields ([`CacheLife`]).
//!
//! Beside each struct stands the table of its keys, from which the reference in `docs/config.md` is written.

mod algorithm;
mod discovery;
mod endpoint_url;
mod feign;
mod internal_token;
mod issuer;
mod security;
mod service;

pub use crate::percent::Percent;
pub use algorithm::AlgorithmName;
pub use discovery::{Discovery, InstanceAddress, InstanceAddressError};
pub use endpoint_url::{EndpointUrl, EndpointUrlError};
pub use feign::{
    BreakerSettings, CallIdentity, Feign, FeignClientSettings, IdentityAbsent, RetrySettings,
};
pub use internal_token::{
    CacheLife, CacheLifeError, ClientAuthentication, GrantType, InternalToken, InternalTokenClient,
    MemoryCache, TargetParameter, TokenCredential, TokenFeign,
};
pub use issuer::{IssuerSettings, RegisteredClient, SecretKind};
pub use security::{
    IdentityHeaders, InternalJwt, InternalOnly, JwksLocation, Mode, RouteAccess, RouteRule,
    Security, TrustedIssuer,
};
pub use service::ServiceSettings;

use crate::configuration::Configuration;
use crate::key::{Key, Kind};
use crate::section::Section;

/// The keys below the prefix.
const KEYS: &[Key] = &[
    Key::new(
        "service",
        Kind::Section(service::KEYS),
        "Who this process is.",
    ),
    Key::new(
        "internal-token",
        Kind::Section(internal_token::KEYS),
        "This service as a caller: the credentials with which it gets tokens, and where it uses them.",
    ),
    Key::new(
        "security",
        Kind::Section(security::KEYS),
        "What this service demands of its own callers.",
    ),
    Key::new(
        "feign",
        Kind::Section(feign::KEYS),
        "Deadlines, retries and circuit breakers of outgoing calls.",
    ),
    Key::new(
        "discovery",
        Kind::Section(discovery::KEYS),
        "Where the services live.",
    ),
    Key::new(
        "issuer",
        Kind::Section(issuer::KEYS),
        "The authorization server: who may get which tokens. Read by `hallpass issuer` alone.",
    ),
];

/// Everything below the prefix, checked.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `service`: who this process is and where it listens.
    pub service: ServiceSettings,
    /// `internal-token`: the credentials of this service as a caller. `None` when the section is absent or says
    /// `enabled: false`.
    pub internal_token: Option<InternalToken>,
    /// `internal-token.feign`: which outgoing calls get no token. It holds also when the section around it says
    /// `enabled: false`.
    pub token_feign: TokenFeign,
    /// `security`: what this service demands of its own callers.
    pub security: Security,
    /// `feign`: deadlines, retries and circuit breakers of outgoing calls.
    pub feign: Feign,
    /// `discovery`: where the services live.
    pub discovery: Discovery,
    /// `issuer`: the authorization server. `None` when the section is absent.
    pub issuer: Option<IssuerSettings>,
}

impl Configuration for Settings {
    fn keys() -> Vec<Key> {
        KEYS.to_vec()
    }

    /// Reads all sections, in the order in which the effective tree shows them. One that has a problem is left at
    /// its default: the report fails the load then.
    fn read(root: &Section<'_>) -> Option<Self> {
        let service = root
            .section("service")
            .read_all(ServiceSettings::read)
            .unwrap_or_default();
        let token_section = root.section("internal-token");
        let internal_token = InternalToken::read(&token_section);
        let token_feign = token_section.read_all(TokenFeign::read);
        let security = root.section("security");
        let security = security.read_all(|section| Security::read(section, &service));
        Some(Self {
            internal_token,
            token_feign: token_feign.unwrap_or_default(),
            security: security.unwrap_or_default(),
            feign: root
                .section("feign")
                .read_all(Feign::read)
                .unwrap_or_default(),
            discovery: root
                .section("discovery")
                .read_all(Discovery::read)
                .unwrap_or_default(),
            issuer: IssuerSettings::read(&root.section("issuer")),
            service,
        })
    }
}
