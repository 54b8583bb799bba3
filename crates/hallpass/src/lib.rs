//! Internal authentication between services: the libraries of Hallpass under one name.
//!
//! Each outgoing call states whose identity it carries, and each incoming one is verified before a
//! handler sees it. Business code has no line of authentication in it.
//!
//! **Promise.** A call carries the identity that its trait states or is not sent; a handler runs only
//! when the rule of its route allows the caller; the identity that [`current`] shows is verified, stays
//! with the request wherever its work runs, and is seen by no other request.
//!
//! **What it does not do.** It issues no tokens (`hallpass issuer` does), opens no listening socket by itself and
//! reads nothing but what [`config::Loader`] is told to read.
//!
//! ```
//! use axum::{Json, Router, http::Method, routing::get};
//! use hallpass::prelude::*;
//!
//! // The remote service is a trait. `exchange`: it sees the customer, and that this service acts for her.
//! #[feign_client(name = "logistics-service", path = "/logistics", identity = "exchange")]
//! trait Logistics {
//!     #[get("/orders/{order_id}/status")]
//!     async fn status(&self, order_id: u64) -> Result<String, FeignError>;
//! }
//!
//! # fn main() -> Result<(), hallpass::BoxError> {
//! let settings = hallpass::config::Loader::new("hallpass")
//!     .text("example", r#"
//! hallpass:
//!   service: { name: order-service }
//!   discovery: { static: { logistics-service: ["127.0.0.1:9003"] } }
//!   internal-token: { client-id: order-service, client-secret: InternalSecret123!, token-url: "https://auth.shop.example/oauth2/token" }
//!   security:
//!     internal-jwt:
//!       issuers:
//!         - { name: users, issuer: "https://id.shop.example", audience: shop, jwks-url: "https://id.shop.example/jwks" }
//! "#)
//!     .load::<hallpass::Settings>()?
//!     .into_settings();
//!
//! let hallpass = Hallpass::from_settings(&settings)?;
//! let logistics = FeignLogistics::new(hallpass.feign())?;
//! let guard = hallpass
//!     .resource_server()
//!     .route(Method::GET, "/orders/{order_id}", Rule::Authenticated)
//!     .build()?;
//!
//! let order = async move |customer: CurrentUser| {
//!     // The customer's token is exchanged for one that is for the carrier alone.
//!     let status = logistics.status(1001).await.unwrap_or_default();
//!     Json([customer.subject().to_string(), status])
//! };
//! let app: Router = Router::new().route("/orders/{order_id}", get(order)).layer(guard.layer());
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//! Additive; `feign` and `resource` are on by default. A service that switches one off links less, and its section of a shared
//! configuration file is left alone.
//!
//! * `feign`: calls, [`feign`]; reads the section `feign`.
//! * `resource`: verification of callers, [`resource`]; reads the section `security`.
//! * `certificates`, not on by default: a certificate of the issuer's authority, renewed by the service itself ([`Hallpass::start`]), module
//!   `certificates`; reads the section `certificates`.
//! * `dns`, not on by default: services by their names, module `dns`; reads the section `discovery.dns`.
//! * `nacos`: configuration from Nacos and services in it, module `nacos`; reads the sections `nacos` and `discovery.nacos`.
//! * `otlp`, not on by default: spans to a collector of OpenTelemetry, module `otlp`; reads the section `telemetry`.
//! * `redis`, not on by default: a tier of the token cache that processes share, [`redis`]; reads the section `redis`.
//! * `test-util`: clocks that a test drives and callers that no token proves. Never in a service.
//!
//! # Where things are
//!
//! | name | what is in it |
//! |---|---|
//! | [`prelude`] | what a service usually names |
//! | `certificates` | the agent that keeps a certificate good, for settings made in code |
//! | [`clock`] | the clock that all parts read |
//! | [`config`] | settings from YAML, environment and flags |
//! | `dns` | discovery over the domain name system, for settings made in code |
//! | [`feign`] | [`feign_client`] and its runtime |
//! | [`client`] | token service, identity context, bearer layer |
//! | [`listen`] | a server for the listening socket: limits, TLS, an orderly end |
//! | `otlp` | spans to a collector of OpenTelemetry |
//! | [`redis`] | the shared tier of the token cache, for settings made in code |
//! | [`reload`] | settings that change while the process runs |
//! | [`resource`] | verification, route rules, extractors |
//! | [`tls`] | certificates, keys and authorities from files, followed while they change |
//! | [`token`] | claims, keys, `verify` |
//! | [`upstream`] | discovery, choice of an instance, breaker, bulkhead, retry, transport, bodies |

// The example above and the macro name this crate from within.
extern crate self as hallpass;

mod error;
mod log_writer;
mod metrics;
#[cfg(feature = "nacos")]
pub mod nacos;
#[cfg(feature = "otlp")]
pub mod otlp;
pub mod reload;
mod service;
mod settings;

#[cfg(feature = "certificates")]
pub use hallpass_certificates as certificates;
pub use hallpass_client as client;
pub use hallpass_clock as clock;
pub use hallpass_config as config;
#[cfg(feature = "dns")]
pub use hallpass_dns as dns;
#[cfg(feature = "feign")]
pub use hallpass_feign as feign;
pub use hallpass_listen as listen;
#[cfg(feature = "redis")]
pub use hallpass_redis as redis;
#[cfg(feature = "resource")]
pub use hallpass_resource as resource;
pub use hallpass_tls as tls;
pub use hallpass_token as token;
pub use hallpass_upstream as upstream;

pub use client::context::{
    CallContext, InContext, JoinSet, blocking, carry, carry_async, carry_each, carry_nobody,
    current, detach, every, scope, scope_all, spawn, spawn_blocking, sync_scope, sync_scope_all,
    without_identity,
};
pub use error::Error;
#[cfg(feature = "feign")]
pub use feign::feign_client;
pub use log_writer::{LogGuard, LogWriter};
pub use metrics::Metrics;
pub use service::{Hallpass, HallpassBuilder};
pub use settings::{ServiceSettings, Settings};
pub use upstream::BoxError;

/// What a service usually names: `use hallpass::prelude::*`.
pub mod prelude {
    pub use crate::client::AuthTokenService;
    #[cfg(feature = "feign")]
    pub use crate::feign::{Feign, FeignError, feign_client};
    #[cfg(feature = "resource")]
    pub use crate::resource::{Caller, CurrentUser, ResourceServer, Rule, Scoped};
    pub use crate::token::SecurityContext;
    pub use crate::upstream::BoxError;
    pub use crate::{Hallpass, InContext};
}
