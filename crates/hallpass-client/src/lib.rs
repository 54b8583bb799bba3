//! AuthTokenService, token cache, identity context and bearer layer for calls between services.

pub use hallpass_config as config;
pub use hallpass_token as token;

mod body;
pub mod context;
pub mod discovery;
pub mod transport;

pub use body::{Body, BoxError, CollectError, try_clone_request};
pub use discovery::{
    Discover, DiscoverError, DnsDiscovery, Instance, Instances, InvalidInstance, LastKnown,
    StaticDiscovery,
};
pub use transport::{
    HttpTransport, HttpTransportBuilder, TransportError, TransportErrorKind, TransportFuture,
};
