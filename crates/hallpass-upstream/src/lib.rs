//! What every caller of a service needs: from a name to an instance, and from a request to its response.
//!
//! * [`Discover`] finds the instances of a service; [`StaticDiscovery`] is one that is written down. `hallpass-dns` and
//!   `hallpass-nacos` are others.
//! * [`Upstream`] is one service: it chooses an instance for each attempt, with a circuit breaker and a bulkhead each,
//!   and goes on for some minutes with the instances that it knew while discovery is down.
//! * [`Guard`] holds what a service, or one method of it, can take as a whole: rate limits, circuit breakers, a bulkhead.
//! * [`next_step`] says whether a request is sent again, and when, within a [`RetryBudget`]; it goes by the [`Outcome`]
//!   of an attempt, whatever the caller's own error is.
//! * [`Target`] points a request at the instance that was chosen for it.
//! * [`HttpTransport`] sends a request whose [`Body`] is in memory or a stream.
//! * [`Reminders`] say of trouble that goes on when it is to be logged.
//! * [`RevocationSource`] follows what an issuer has revoked, for those who verify tokens and for those who keep them.
//! * [`MemoryReplays`] and [`SharedReplays`] say whether a message that counts once was shown before, to this process or to another.
//! * [`Network`] is transport, discovery and clock in one value, for every part of a service that calls others.
//!
//! **Promise**: a request goes to the instance it was pointed at and nowhere else; redirects are not followed, proxy
//! variables are not read. It leaves this machine over TLS only, unless it says that it [`CarriesNoSecret`]. Bodies are read within a limit that the reader states.
//!
//! **What it does not do**: it knows no identity and attaches no token. `hallpass-client` adds them.
//!
//! ```no_run
//! use std::sync::Arc;
//! use hallpass_clock::SystemClock;
//! use hallpass_upstream::{Address, Body, HttpTransport, StaticDiscovery, Target, Upstream};
//! use tower_service::Service;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let discovery = StaticDiscovery::new().with("order-service", ["127.0.0.1:8080".parse()?]);
//! let address = Address::LoadBalanced("order-service".into());
//! let orders = Upstream::new("order-service", address, Arc::new(discovery), Arc::new(SystemClock::new()));
//!
//! let chosen = orders.choose(&[]).await?;
//! let mut request = http::Request::get("/orders/7/status").body(Body::empty())?;
//! Target::new("order-service", chosen.instance().clone()).apply_to(&mut request)?;
//! let response = HttpTransport::new()?.call(request).await?;
//! let status = response.into_body().collect_within(64 * 1024).await?;
//! # Ok(())
//! # }
//! ```

mod asked_url;
mod blacklist;
mod body;
mod breaker;
mod bulkhead;
mod discovery;
mod endpoint_url;
mod few_headers;
mod guard;
mod network;
mod outcome;
mod random;
mod rate;
mod reminders;
mod replay;
mod resolver;
mod retry;
mod retry_statuses;
mod revocation_notices;
mod revocation_source;
mod settings;
mod spare_request;
mod target;
mod trace;
mod transport;
mod upstream;
mod walk;

pub use asked_url::{AskedUrl, shortened, with_causes};
pub use blacklist::{BlacklistError, BlacklistStore};
pub use body::{Body, BoxError, CollectError, try_clone_request};
pub use breaker::{BreakerState, OnBreakerChange};
pub use bulkhead::BulkheadSettings;
pub use discovery::{
    Discover, DiscoverError, Instance, Instances, InvalidInstance, Member, OutageMemory, Place,
    StaticDiscovery,
};
pub use endpoint_url::{EndpointUrl, EndpointUrlError};
pub use few_headers::find_header;
pub use guard::{Guard, GuardPass};
pub use network::Network;
pub use outcome::{Declined, Outcome, Refusal, RetryAdvice, asked_wait, is_transient};
pub use random::{random_below, random_fraction, random_id};
pub use rate::{
    Grant, KeyedPlace, KeyedPlaces, KeyedRates, KeyedValues, Left, Quota, RateAsked, RateRefusal,
    RateStore, RateStoreError, RatesAway, SharedRates,
};
pub use reminders::Reminders;
pub use replay::{
    CLOCKS_DIFFER_BY, MemoryReplays, ReplayKind, ReplayMessage, ReplayMetrics, ReplaySharing,
    ReplayStore, ReplayStoreError, SharedReplays, StoreAway,
};
pub use retry::{AttemptMade, NextStep, RetryBudget, next_step};
pub use retry_statuses::RetryStatuses;
pub use revocation_notices::RevocationNotice;
pub use revocation_source::{
    IssuerRevocationMetrics, RevocationChanges, RevocationMetrics, RevocationSource,
};
pub use settings::{
    BalanceSettings, BreakerControl, BreakerSettings, DiscoverySettings, EjectSettings,
    GuardSettings, RateBehaviour, RateSettings, RetrySettings, TlsSettings, TransportSettings,
    WindowType,
};
pub use spare_request::SpareRequest;
pub use target::{Directed, Target};
pub use trace::{SpanId, TraceContext, TraceId, TrustSampled, traced_method};
pub use transport::{
    CarriesNoSecret, Connections, Http2, HttpTransport, HttpTransportBuilder, TransportCause,
    TransportError, TransportErrorKind, TransportFuture, is_for_a_secret,
};
pub use upstream::{
    Address, Admitted, BodyUnderWay, Chosen, Destination, InstanceObserver, InstanceReport,
    InstanceStanding, Upstream, UpstreamSettings, Wish,
};
pub use walk::{AfterError, Walk, WalkError};
