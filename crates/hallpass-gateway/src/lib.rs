//! External authorization: decides about requests for the proxies that people run already, by the rules and issuers of a
//! [`ResourceServer`](hallpass_resource::ResourceServer).
//!
//! **Promise.** A proxy that asks gets the decision that the service itself would make, about the request as the caller sent
//! it: the same rules, the same verification, the same response to who is refused. What is not said is never guessed: a
//! question without method, host or target is refused, and so is one that says them twice. A response of 2xx on the listening
//! address means "let it pass" and nothing else: health and metrics have an address of their own. Every identity header is set or
//! removed with each request that passes, so that no caller brings one. A token for the upstream that cannot be had ends the request.
//!
//! **What it does not do.** It forwards nothing and sees no body. It cannot see whether a proxy asks about each
//! request, nor whether it does what the decision says: the samples of `docs/authz.md` are tested with real proxies. Who may ask
//! ([`TrustedProxies`]) is told apart by address, and with `authz.tls` by certificate.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use hallpass_client::{AuthTokenService, InternalTokenSettings};
//! use hallpass_clock::SystemClock;
//! use hallpass_gateway::{Authz, AuthzServer, AuthzSettings};
//! use hallpass_resource::{EncodedCharacters, ResourceServer, Rule};
//!
//! # async fn run(tokens: AuthTokenService) -> Result<(), Box<dyn std::error::Error>> {
//! let resource = ResourceServer::builder("edge", Arc::new(SystemClock::new()))
//!     .route_any("/health", Rule::Anonymous)
//!     .build()?;
//! let authz = Authz {
//!     resource,
//!     tokens,
//!     encoded: EncodedCharacters::default(),
//!     clock: Arc::new(SystemClock::new()),
//! };
//! let running = AuthzServer::start(authz, &AuthzSettings::default()).await?;
//! println!("ask http://{}/authz/forward", running.local_addr());
//! running.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod answer_body;
mod authz;
mod error;
mod management;
mod problem;
mod proxy;
mod readiness;
mod said;
mod settings;
mod sidecar;
mod tls_files;
mod upstream_token;

pub use authz::running::RunningAuthz;
pub use authz::server::{Authz, AuthzServer};
pub use authz::service::AuthzService;
pub use error::Error;
pub use proxy::running::RunningGateway;
pub use proxy::server::{Gateway, GatewayServer};
pub use settings::AuthzSettings;
pub use settings::access_log::{
    AccessLogFormat, AccessLogLevel, AccessLogSettings, AccessLogTarget,
};
pub use settings::caller_bulkhead::{CallerBulkheadBy, CallerBulkheadSettings};
pub use settings::cors::{CorsOrigins, CorsSettings, OriginPattern};
pub use settings::forwarded::{ForwardedForm, ForwardedSettings};
pub use settings::gateway::{BesideGateway, GatewaySettings};
pub use settings::identity::IdentityHeaderSettings;
pub use settings::logout::{LogoutReport, LogoutSettings};
pub use settings::network::TrustedProxies;
pub use settings::rate::{RateAcross, RateBy, RateLimitSettings, RateWhenAway};
pub use settings::route::{
    HeaderCondition, PathReplacement, PathTemplate, RewriteSettings, RouteSettings, TimeoutSettings,
};
pub use settings::service::ServiceSettings;
pub use settings::sidecar::{
    InboundSettings, OutboundServiceSettings, OutboundSettings, OutsideAddress,
    OutsideAddressFault, SidecarSettings, WhenAbsent,
};
pub use settings::upstream::{HostFault, HostPattern, UpstreamSettings};
pub use sidecar::running::RunningSidecar;
pub use sidecar::server::{Sidecar, SidecarServer};
