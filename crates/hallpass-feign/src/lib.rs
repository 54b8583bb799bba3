//! The declarative call layer: a trait is the remote service, and identity is attached for you.
//!
//! ```
//! use std::sync::Arc;
//! use hallpass_feign::{Feign, FeignError, feign_client};
//! use hallpass_upstream::{Network, StaticDiscovery};
//!
//! #[derive(serde::Deserialize)]
//! struct Shipment {
//!     carrier: String,
//! }
//!
//! #[feign_client(name = "logistics-service", path = "/logistics", identity = "relay", fallback = NoShipments)]
//! trait Logistics {
//!     /// The shipments of an order.
//!     #[get("/orders/{order_id}/shipments")]
//!     async fn shipments(&self, order_id: u64, #[query] carrier: Option<String>) -> Result<Vec<Shipment>, FeignError>;
//! }
//!
//! /// What the shop shows while logistics is away.
//! #[derive(Default)]
//! struct NoShipments;
//!
//! impl Logistics for NoShipments {
//!     async fn shipments(&self, _: u64, _: Option<String>) -> Result<Vec<Shipment>, FeignError> {
//!         Ok(Vec::new())
//!     }
//! }
//!
//! # async fn handler() -> Result<(), Box<dyn std::error::Error>> {
//! let discovery = StaticDiscovery::new().with("logistics-service", ["127.0.0.1:8082".parse()?]);
//! let feign = Feign::builder(&Network::system(Arc::new(discovery))?).build();
//! let logistics = FeignLogistics::new(&feign)?;
//! for shipment in logistics.shipments(7, None).await? {
//!     println!("{}", shipment.carrier);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Promise**: a call carries the identity that its trait states, or it is not sent. It goes to an instance of its
//! service and nowhere else; redirects are not followed. It ends by its deadline. What is wrong with a trait shows when
//! it is compiled; see [`feign_client`].
//!
//! **What it does not do**: it checks no token, and the origin of a response only by TLS; it does not cache responses. A response
//! that is streamed to the caller is under the deadline up to its headers; reading the rest is the caller's.
//!
//! # What happens to a call
//! In this order; `stack.rs` and `method_stack.rs` have the reasons.
//!
//! 1. **Span and metrics**, and the observers given to [`FeignBuilder::observe`].
//! 2. **Fallback**: answers when the service cannot ([`FeignError::reaches_fallback`]), in the caller's task and for
//!    the same caller; [`fallback_cause`] tells it why.
//! 3. **Deadline** of the whole call.
//! 4. **Capture** of the caller's identity into the request.
//! 5. **Guards** of the method and of the service: rate, circuit breaker, bulkhead over calls, where the settings have them.
//! 6. **Retry** with a budget per service: idempotent verbs after broken connections, an attempt that took too long, and 425, 502,
//!    503, 504 and 429 with `Retry-After` (or what the settings say); any verb when it
//!    is certain that nothing was sent; never a body that is a stream.
//! 7. **Hedge**, where the settings want it: a further attempt while the first is under way.
//! 8. **Choice** of an instance: the less busy one of two, which are picked by weight.
//! 9. **Circuit breaker and bulkhead** of that instance; with `isolate`, its own task.
//! 10. **Interceptors** of the client, where its code has some, and **replay** after a 401 `invalid_token` and **bearer**: a token for each attempt.
//! 11. **Host guard**: the last look at where the token goes.
//! 12. **Transport**.
//!
//! # In tests
//! The trait stays a trait: pass `&impl Logistics`, or `BoxLogistics` where a type is needed, and give `MockLogistics`
//! in tests.
//!
//! ```
//! # use hallpass_feign::{FeignError, feign_client};
//! # #[feign_client(name = "logistics-service")]
//! # trait Logistics {
//! #     #[get("/orders/{order_id}/status")]
//! #     async fn status(&self, order_id: u64) -> Result<String, FeignError>;
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let logistics = MockLogistics::new().on_status(|order_id| Ok(format!("order {order_id} is on its way")));
//! assert_eq!(logistics.status(7).await.unwrap(), "order 7 is on its way");
//! assert_eq!(logistics.status_calls(), 1);
//! # }
//! ```

// The macro names this crate by its own name, also in its tests and examples.
extern crate self as hallpass_feign;

mod build_error;
mod builder;
mod caller;
mod client;
mod error;
mod estate_metrics;
mod events;
mod feign;
mod grpc;
mod headers;
mod identity;
mod interceptor;
mod layers;
mod method_stack;
mod metrics;
mod mock;
mod multipart;
mod observer;
mod ongoing_attempt;
mod ongoing_call;
mod origin;
mod random;
mod request;
mod response;
mod settings;
mod shared;
mod spare_extensions;
mod spare_headers;
mod spec;
mod stack;
mod typed_error;
mod upstreams;

/// ```
/// use hallpass_feign::{FeignError, feign_client};
///
/// #[feign_client(name = "order-service", path = "/orders", identity = "relay")]
/// trait Orders {
///     #[get("/{order_id}/status")]
///     async fn status(&self, order_id: u64) -> Result<String, FeignError>;
///
///     #[post("/{order_id}/notes", idempotent = true)]
///     async fn add_note(&self, order_id: u64, #[json] note: &str) -> Result<(), FeignError>;
/// }
/// ```
///
pub use hallpass_feign_macros::feign_client;

pub use build_error::BuildError;
pub use builder::{ClientBuilder, GeneratedClient};
pub use caller::{CallerBuilder, ServiceCaller};
pub use error::{ArgumentProblem, DecodeError, ErrorBody, ErrorHeaders, FeignError};
pub use events::{Event, Events};
pub use feign::{Feign, FeignBuilder};
pub use hallpass_client::{CallReport, Identity, WhenAbsent};
pub use headers::HeaderSettings;
pub use interceptor::Intercepted;
pub use layers::fallback::fallback_cause;
pub use metrics::FeignMetrics;
pub use multipart::{Multipart, Part};
pub use observer::FinishedCall;
pub use settings::{
    ContextHeadersSettings, DeadlineHeader, FeignClientSettings, FeignSettings, HedgeSettings,
    InvalidDeadlineHeader, InvalidMethodName, MethodName, NamedMethod, PathValues, RuleDocument,
    SENTINEL_DOCUMENTS, SkippedRules, UNREADABLE_RULES,
};
pub use typed_error::TypedError;

/// What generated code uses. No part of the public interface: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use futures_util::future::BoxFuture;

    pub use crate::client::Client;
    pub use crate::layers::fallback::Fallback;
    pub use crate::mock::{MockMethod, mock_unset};
    pub use crate::request::{Call, SentBytes};
    pub use crate::response::{
        FromBody, FromResponse, Json, JsonEvents, Nothing, Optional, Reading, Received, Streamed,
        Text, TextEvents, Whole, WithHead,
    };
    pub use crate::spec::{ClientSpec, MethodSpec, SharedSpec, Verb};
}
