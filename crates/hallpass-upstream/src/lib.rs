//! What everybody needs who calls a service: from a name to an instance, and from a request to its response.
//!
//! * [`Discover`] finds the instances of a service; [`StaticDiscovery`] and [`DnsDiscovery`] are two sources, and
//!   [`LastKnown`] goes on with what it knew while its source is down.
//! * [`Target`] points a request at the instance that was chosen for it.
//! * [`HttpTransport`] sends a request whose [`Body`] is in memory or a stream.
//!
//! **Promise**: a request goes to the instance it was pointed at and nowhere else; redirects are not followed, proxy
//! variables are not read. Bodies are read within a limit that the reader states.
//!
//! **What it does not do**: it knows no identity and no token. `hallpass-client` adds them.
//!
//! ```no_run
//! use hallpass_upstream::{Body, Discover, HttpTransport, StaticDiscovery, Target};
//! use tower_service::Service;
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let discovery = StaticDiscovery::new().with("order-service", ["127.0.0.1:8080".parse()?]);
//! let instances = discovery.instances("order-service").await?;
//! let instance = instances.first().ok_or("nobody is there")?.clone();
//!
//! let mut request = http::Request::get("/orders/7/status").body(Body::empty())?;
//! Target::new("order-service", instance).apply_to(&mut request)?;
//! let response = HttpTransport::new()?.call(request).await?;
//! let status = response.into_body().collect_within(64 * 1024).await?;
//! # Ok(())
//! # }
//! ```

mod body;
mod discovery;
mod target;
mod transport;

pub use body::{Body, BoxError, CollectError, try_clone_request};
pub use discovery::{
    DNS_AGE, DNS_TIMEOUT, Discover, DiscoverError, DnsDiscovery, Instance, Instances,
    InvalidInstance, LastKnown, MAX_ADDRESSES, MAX_REMEMBERED_SERVICES, StaticDiscovery,
};
pub use target::Target;
pub use transport::{
    DEFAULT_CONNECT_TIMEOUT, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_IDLE_PER_HOST, HttpTransport,
    HttpTransportBuilder, TransportError, TransportErrorKind, TransportFuture,
};
