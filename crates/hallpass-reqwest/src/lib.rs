//! Identities for users of reqwest: a middleware of reqwest-middleware which gives each request of a client what `#[feign_client]` gives
//! a call. reqwest stays the one who connects and sends.
//!
//! ```
//! use hallpass_feign::{Feign, Identity};
//! use hallpass_reqwest::client_builder;
//!
//! # async fn example(feign: &Feign) -> Result<(), Box<dyn std::error::Error>> {
//! let url = "https://stock.example".parse()?;
//! let caller = feign.caller("stock-service").identity(Identity::Relay).url(url).build()?;
//! let stock = client_builder(reqwest::Client::builder(), caller).build()?;
//! let response = stock.get("https://stock.example/items/7").send().await?;
//! # Ok(())
//! # }
//! ```
//!
//! **Promise**: a request carries the identity that its caller states (the service's own, the user's, the user's by exchange, or none), or
//! it is not sent. It is sent only to where the [`ServiceCaller`] calls (`feign.clients.NAME.url`, or its builder's), below the path of
//! that, and no redirect leads it elsewhere. A service token that is refused with 401 is dropped, and the request is sent once more with
//! another where its body is in memory. Each request says how long its caller waits, carries the context of its caller's work and is a
//! span of its trace; it counts in the metrics of the call layer, and its deadline is that of the caller.
//!
//! The identity is that of the task in which the request's future is first polled, or of the extensions that a request was given
//! (`RequestBuilder::with_extension`): a `SecurityContext`. What is refused is an `Error::Middleware` with a `FeignError` in it:
//!
//! ```
//! use hallpass_feign::FeignError;
//!
//! fn code(error: &reqwest_middleware::Error) -> &'static str {
//!     match error {
//!         reqwest_middleware::Error::Middleware(error) => {
//!             error.downcast_ref::<FeignError>().map_or("other", FeignError::code)
//!         }
//!         reqwest_middleware::Error::Reqwest(_) => "reqwest",
//!     }
//! }
//! ```
//!
//! **What it does not do**: it chooses no instance, retries nothing else, breaks no circuit: send by [`ServiceCaller`] itself for that. It
//! does not look at certificates: TLS is that of reqwest, whose feature `rustls` brings no other cryptography than ours. So a token that
//! is bound to the certificate of this service does not leave by it (`host_refused`); one that is bound to a key does. Proxies are
//! reqwest's too, and see a request over plain http with its token: `no_proxy` is for addresses on loopback. What reqwest adds below
//! everything, its `default_headers` and cookies, is not looked at, but for `Host`, which is that of the address.
//!
//! [`ServiceCaller`]: hallpass_feign::ServiceCaller

mod builder;
mod ferry;
mod middleware;

pub use builder::{HallpassClientBuilder, client_builder};
