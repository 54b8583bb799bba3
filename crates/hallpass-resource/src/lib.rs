//! Resource server for tower and axum: key source, verification, route policy, extractors.
//!
//! **Promise.** Behind [`ResourceServer::layer`] no handler runs for a route that no rule opens; where a rule asks for
//! an identity, it runs only after a token was verified (RFC 7515, 7519, 9068) with a key of the very issuer that the
//! token names; and the identity that it finds (extractors, request extensions,
//! [`hallpass_client::context::current`]) is a verified one on every path, or there is none. Refused requests get the
//! responses of RFC 6750, with a problem body that says nothing about which part of a token did not fit.
//!
//! **What it does not do.** It issues no tokens and holds no private key. It reads no token from a query or a form. It
//! takes a token that is bound to a key (`cnf.jkt`) with a DPoP proof for the request, and refuses one that is bound to anything else. It ends bodies with their
//! token; what else outlives a request, such as a WebSocket, ends with it by [`TokenEnd::until`]. It learns of revocations from issuers of ours alone ([`RevocationSource`](hallpass_upstream::RevocationSource)). It is not a rate limit.
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::{Router, routing::get};
//! use hallpass_clock::SystemClock;
//! use hallpass_resource::{Caller, KeySource, ResourceServer, Rule, TrustedIssuer};
//! use hallpass_token::JwkSet;
//! use http::Method;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = Arc::new(SystemClock::new());
//! // In a service: KeySource::http(...), or everything at once by ResourceServer::from_settings(...).
//! let keys = KeySource::fixed(JwkSet::new([]), clock.clone());
//! let server = ResourceServer::builder("order-service", clock)
//!     .issuer(TrustedIssuer::new("internal".parse()?, "order-service".parse()?, keys).internal())
//!     .route(Method::GET, "/orders/{id}", Rule::all_scopes("orders".parse()?))
//!     .route_any("/health", Rule::Anonymous)
//!     .route_any("/internal/**", Rule::InternalOnly("internal-service".parse()?))
//!     .build()?;
//! for rule in server.rules() {
//!     // GET /orders/{id} scopes(all: orders) [enforce, code] ...
//!     # let _ = rule.to_string();
//! }
//! let app: Router = Router::new()
//!     .route("/orders/{id}", get(|caller: Caller| async move { caller.subject().to_string() }))
//!     .layer(server.layer());
//! # let _ = app;
//! # Ok(())
//! # }
//! ```
//!
//! # Roll-out
//! [`Mode`] per service and per route. In every mode a good token gives its identity, and none other ever does.
//! `enforce` refuses. `report` lets every call pass and counts what it would have refused. `off` lets every call pass
//! and counts nothing but that. Where a handler asks for a [`Caller`] or [`CurrentUser`] and the call passes only for its
//! mode, it gets a placeholder (`is_placeholder()`, subject `anonymousUser`, no scope, no token); `Option<Caller>` is
//! `None`, and the identity context is empty, so that no call is made in a placeholder's name. What an extractor refuses
//! is counted apart. The `Authorization` header itself is left alone in `off` and `report`, so that an older
//! check behind can go on; it is not an identity. To go back, set the mode back.
//!
//! A mode belongs to its rule. A request may fall under one rule of each table (code, configuration, internal-only
//! paths): all must allow it, and the strictest mode that one of them names holds for all. A request whose path has no
//! single meaning is refused as soon as any rule is enforced.
//!
//! # Open routes
//! A route that only [`Rule::Anonymous`] is for does not depend on the issuer: a token that cannot be judged (keys not
//! available, or longer than is looked at) leaves the call without identity. One that is known to be bad is refused.
//!
//! # Before the keys are there
//! Services start in any order. While an issuer's keys have never been fetched (or the last good ones are too old), a
//! token of that issuer gets a 503 `unavailable` with `Retry-After`, not 401: the caller's token may be perfectly
//! good, and a 401 would make it ask the issuer for another.

mod audit;
mod authorize;
mod bearer;
mod blacklist;
mod cache;
mod caller_mapping;
mod challenge;
mod confirmation;
mod deadline;
mod deadline_metrics;
mod dpop;
mod error;
mod extract;
mod grpc;
mod identity_headers;
mod introspection;
mod judge;
mod key_source;
mod layer;
mod legible;
mod mesh;
mod metadata;
mod metrics;
mod path;
mod patience;
mod peer;
mod policy;
mod remembered;
mod request_span;
mod scoped;
mod server;
mod settings;
mod stream_end;
mod stream_metrics;
mod time_left;
mod token_digest;
mod trusted_issuer;
mod verifier;
mod withdrawn;

pub use audit::{AUDIT_TARGET, AuditLevel};
pub use authorize::{Authorized, Refused, TenantHeader};
pub use caller_mapping::{CallerMapping, IssuerPreset, Mark, MarkFault};
pub use error::{
    BlacklistFault, ConditionFault, Denial, DenialResponse, IntrospectionFailure, KeysError,
    MeshDenial, ProofFault, SetupError, SetupProblem,
};
pub use extract::{Caller, Claims, CurrentUser, Rejection};
pub use grpc::{grpc_media_type, refusal_in_grpc};
pub use identity_headers::{identity_header_value, is_spelling_of};
pub use introspection::{AskedTokens, Introspection, IntrospectionLimits, IntrospectionMetrics};
pub use key_source::{KeyLimits, KeyMetrics, KeySnapshot, KeySource};
pub use layer::{ResourceBody, ResourceFuture, ResourceLayer, ResourceService};
pub use legible::ClaimsForm;
pub use metrics::ResourceMetrics;
pub use path::{EncodedCharacters, NormalPath, PathFault};
pub use peer::{PeerName, PeerNameFault};
pub use policy::{
    Actors, Bound, Captures, Conditions, Explanation, HostFault, HostPattern, HostPatternFault,
    Mode, Names, Party, PartyFault, PassedOver, PathPattern, PathReading, PatternFault, RouteRule,
    Rule, RuleDecision, RuleLine, RuleOrigin, RulePlace, named_host,
};
pub use scoped::{RequiredScope, Scoped, is_scope};
pub use server::{ResourceServer, ResourceServerBuilder, ResourceServers};
pub use settings::blacklist::{BlacklistKey, BlacklistSettings, WhenAway};
pub use settings::callers::caller_changes;
pub use settings::deadline::DeadlineSettings;
pub use settings::denied::DeniedSettings;
pub use settings::dpop::{DpopSettings, NonceSecret};
pub use settings::introspection::IntrospectionSettings;
pub use settings::mesh::{MeshCaller, MeshHeader, MeshSettings};
pub use settings::routes::RuleDemands;
pub use settings::streams::StreamSettings;
pub use settings::{
    IdentityHeaders, InternalJwtSettings, InternalOnlySettings, JwksLocation, PathSettings,
    SecuritySettings, TrustedIssuerSettings,
};
pub use stream_end::{EndingBody, StreamEnd, StreamUpgrade, TokenEnd};
pub use trusted_issuer::TrustedIssuer;
pub use verifier::Verified;
