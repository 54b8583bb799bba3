//! Checked settings: one file a section.
//!
//! Every type here is what comes out of [`Loader::load`](crate::Loader::load): each value has been checked, so
//! that the code that runs on it needs no check of its own. Programs and tests may also fill the structs by
//! hand; rules that tie two fields together are held by types with private fields ([`CacheLife`], [`Percent`]).

mod discovery;
mod endpoint_url;
mod feign;
mod internal_token;
mod issuer;
mod percent;
mod security;
mod service;

pub use discovery::{Discovery, InstanceAddress, InstanceAddressError};
pub use endpoint_url::{EndpointUrl, EndpointUrlError};
pub use feign::{
    BreakerSettings, CallIdentity, Feign, FeignClientSettings, IdentityAbsent, RetrySettings,
};
pub use internal_token::{
    CacheLife, CacheLifeError, GrantType, InternalToken, InternalTokenClient, MemoryCache,
    TokenCredential, TokenFeign,
};
pub use issuer::{AlgorithmName, IssuerSettings, RegisteredClient, SecretKind};
pub use percent::Percent;
pub use security::{
    InternalJwt, InternalOnly, JwksLocation, Mode, RouteAccess, RouteRule, Security, TrustedIssuer,
};
pub use service::ServiceSettings;

/// Everything below the prefix, checked.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// `service`: who this process is and where it listens.
    pub service: ServiceSettings,
    /// `internal-token`: the credentials of this service as a caller. `None` when the section is absent or says
    /// `enabled: false`.
    pub internal_token: Option<InternalToken>,
    /// `security`: what this service demands of its own callers.
    pub security: Security,
    /// `feign`: deadlines, retries and circuit breakers of outgoing calls.
    pub feign: Feign,
    /// `discovery`: where the services live.
    pub discovery: Discovery,
    /// `issuer`: the authorization server. `None` when the section is absent.
    pub issuer: Option<IssuerSettings>,
}
