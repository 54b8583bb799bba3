//! Identities for users of reqwest: a middleware of reqwest-middleware which gives each request of a client what `#[feign_client]` gives
//! a call. reqwest stays the one who connects and sends.
//!
//! ```
//! use hallpass_feign::{Feign, Identity};
//! use hallpass_reqwest::{HallpassMiddleware, client_builder};
//!
//! # async fn example(feign: &Feign) -> Result<(), Box<dyn std::error::Error>> {
//! let url = "https://stock.example".parse()?;
//! let caller = feign.caller("stock-service").identity(Identity::Relay).url(url).build()?;
//! let stock = client_builder(reqwest::Client::builder())?
//!     .with(HallpassMiddleware::new(caller))
//!     .build();
//! let response = stock.get("https://stock.example/items/7").send().await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Promise**: a request carries the identity that its caller states (the service's own, the user's, the user's by exchange, or none), or
//! it is not sent. It is sent only to where the [`ServiceCaller`] calls (`feign.clients.NAME.url`, or its builder's). A service token that
//! is refused with 401 is dropped, and the request is sent once more with another where its body is in memory. Each request says how
//! long its caller waits, carries the context of its caller's work and is a span of its trace; it counts in the metrics of the call
//! layer, and its deadline is that of the caller.
//!
//! **What it does not do**: it chooses no instance, retries nothing else, breaks no circuit: send by [`ServiceCaller`] itself for that. It
//! does not look at certificates: TLS is that of reqwest, whose feature `rustls` brings no other cryptography than ours. Proxies are
//! reqwest's too, and see a request over plain http with its token: `no_proxy` is for addresses on loopback. A redirect is followed by
//! reqwest without asking anybody: see [`client_builder`].
//!
//! [`ServiceCaller`]: hallpass_feign::ServiceCaller

mod error;
mod ferry;
mod middleware;

pub use error::RedirectedError;
pub use middleware::{HallpassMiddleware, client_builder};
