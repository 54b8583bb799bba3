//! The calling side of Hallpass: every outgoing call states whose identity it carries, and gets it.
//!
//! * [`AuthTokenService`] gets this service's own tokens from the issuer, keeps them and renews them ahead
//!   of time: one request however many callers, never an expired token, no failed call while the issuer is
//!   down and a token lives.
//! * [`context`] carries the identity of an inbound request to the calls that are made for it.
//! * [`BearerLayer`] puts one of them into each outgoing request, [`ReplayLayer`] repeats a call whose token
//!   was rejected, [`HostGuardLayer`] sees that no token leaves for another host than it was made for.
//!
//! The way out is `hallpass-upstream`: its transport stands below these layers.
//!
//! It does not look into tokens (they are opaque to their client), does not balance load or retry calls
//! (`hallpass-feign` does), and takes no identity from anywhere but the context and the issuer.
//!
//! ```no_run
//! use std::sync::Arc;
//! use hallpass_clock::SystemClock;
//! use hallpass_config::Secret;
//! use hallpass_client::{AuthTokenService, BearerLayer, Credential, Identity};
//! use hallpass_upstream::{Body, HttpTransport};
//! use tower::{Layer, Service, ServiceExt};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = HttpTransport::new()?;
//! let credential = Credential::new(
//!     "order-service".parse()?,
//!     Secret::from("InternalSecret123!"),
//!     "http://127.0.0.1:9000/oauth2/token".parse()?,
//! );
//! let tokens = AuthTokenService::builder(credential, transport.clone()).build();
//! let handle = tokens.handle(&"service-system".parse()?, &"internal-service".parse()?);
//!
//! let clock = Arc::new(SystemClock::new());
//! let bearer = BearerLayer::new("service-system", Identity::Service, clock).tokens(handle);
//! let request = http::Request::get("http://127.0.0.1:8080/internal/report").body(Body::empty())?;
//! let response = bearer.layer(transport).oneshot(request).await?;
//! # Ok(()) }
//! ```

mod asked_form;
mod auth_token_service;
mod bearer;
mod certificate;
mod certificate_asker;
pub mod context;
mod credential;
mod error;
mod grant;
mod host_guard;
mod identity;
mod internal_token_cache;
mod introspector;
mod metrics;
mod prover;
mod replay;
mod revoker;
mod settings;
mod token_asker;
mod unverified_end;

pub use auth_token_service::AuthTokenService;
pub use auth_token_service::builder::AuthTokenServiceBuilder;
pub use auth_token_service::handle::TokenHandle;
pub use auth_token_service::issued::{IssuedToken, TokenSource};
pub use bearer::future::BearerFuture;
pub use bearer::report::CallReport;
pub use bearer::{BearerLayer, BearerService};
pub use certificate_asker::{CertificateAskError, CertificateAsker};
pub use credential::Credential;
pub use credential::cache_life::{CacheLife, CacheLifeError};
pub use credential::request::{AssertionType, ClientAuthentication, GrantType, TargetParameter};
pub use error::{
    AssertionFault, CallError, DenialCode, HostRefusal, IntrospectionError, ResponseFault,
    TokenError, TokenSettingsError,
};
pub use host_guard::{HostGuard, HostGuardFuture, HostGuardLayer};
pub use identity::{Identity, WhenAbsent};
pub use internal_token_cache::eviction_notice::{EvictionNotice, TierEvent};
pub use internal_token_cache::lease::{Lease, LeaseId};
pub use internal_token_cache::memory::MemoryTokenCache;
pub use internal_token_cache::{CacheError, InternalTokenCache, SealedToken, TokenKey};
pub use introspector::TokenIntrospector;
pub use metrics::ClientMetrics;
pub use prover::TokenBinding;
pub use replay::challenge::rejects_bearer_token;
pub use replay::future::ReplayFuture;
pub use replay::renew_on::RenewOn;
pub use replay::{Replay, ReplayLayer};
pub use revoker::{RevokeError, TokenRevoker};
pub use settings::{
    ClaimDemand, ClientAssertionSettings, ContextSettings, CredentialSettings,
    InternalTokenSettings, MemoryCacheSettings, NamedCredentialSettings, PrivateKeySettings,
    TenantSettings, TokenFeignSettings, TokenServiceSettings,
};
pub use token_asker::TokenAsker;
