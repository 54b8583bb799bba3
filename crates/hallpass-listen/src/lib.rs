//! An HTTP server's sockets: an accept loop with limits, connections that have an owner, and an orderly end.
//!
//! What it promises:
//! * **Everything has a limit**: connections at once and from one address, the time that a request's head may take and a connection may
//!   idle, the time that a peer may read nothing, the size of a head, the buffer of a connection. See [`ConnectionLimits`].
//! * **Each connection has an owner.** They belong to the accept loop and that to its [`RunningServer`]: when it is
//!   dropped, or the drain limit is over, they end, and with them the requests on them.
//! * **An orderly end**: [`RunningServer::shutdown_within`] closes the listening socket and idle connections, and
//!   lets requests in flight finish; who was let in before is answered. [`RunningServer::serve_until_stopped`] does so on SIGTERM and Ctrl-C.
//! * **TLS where it is asked for**, with [`HttpServer::tls`]: the handshake has a limit, runs in the connection's own task,
//!   counts as an open connection and ends at a stop.
//! * **One end of each request** in HTTP/1: one with two lengths, with `Content-Length` and `Transfer-Encoding`, or with another coding than one
//!   `chunked`, gets 400 (501 for the coding) and its connection ends, before a service sees it (RFC 9112 sections 6.1 and 6.3).
//! * **A host in each request**: one without, or with two, gets 400 (RFC 9112 section 3.2).
//!
//! * **The source of a connection behind a proxy**: from configured addresses the PROXY protocol is demanded, versions 1 and 2, before TLS
//!   ([`HttpServer::proxy_protocol`]). Who reads where a request comes from in a header finds that in [`forwarded_source`].
//!
//! * **HTTP/2 beside HTTP/1.1**: over TLS by agreement (ALPN), on plain sockets by its preface (prior knowledge). The same limits
//!   hold, and of its own: requests at once on a connection, streams that a peer resets or makes the server reset, a window that
//!   stays shut. At a stop the peer is told by GOAWAY. The requests of a connection run in tasks of their own.
//! * **Upgrades** (WebSocket) of HTTP/1.1: an upgraded connection keeps its place and its limits, and ends with the server, or by its
//!   [`ConnectionHandle`].
//!
//! What it does not do: upgrades in HTTP/2 (RFC 8441), server push. It limits neither the size of a
//! body nor the time that one takes: the handler that reads the body must do that.
//!
//! ```no_run
//! use std::convert::Infallible;
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use hallpass_listen::HttpServer;
//! use http::Response;
//! use http_body_util::Full;
//! use tokio::net::TcpListener;
//!
//! # async fn run() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:8080").await?;
//! // An axum router is a service too: `serve(move |_peer| router.clone())`.
//! let running = HttpServer::new(listener).serve(|peer| {
//!     tower::service_fn(move |_request| async move {
//!         let greeting = format!("hello, {peer}\n");
//!         Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(greeting))))
//!     })
//! })?;
//! println!("listening on {}", running.local_addr());
//! running.shutdown_within(Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```

mod address_limit;
mod admission;
mod connection;
mod descriptors;
mod forwarded;
mod framing;
mod gate;
mod handle;
mod handshake;
mod head_timer;
mod held;
mod host;
mod http1;
mod http2;
mod limits;
mod metrics;
mod networks;
mod newcomers;
mod pace;
mod panics;
mod places;
mod preface;
mod progress;
mod proxied;
mod proxy_header;
mod running;
mod said;
mod seldom;
mod server;
mod share;
mod shown_peer;
mod spares;
mod stop_signals;
mod stopping;
mod streams;
mod under_way;
mod watched;

pub use descriptors::raise_descriptor_limit;
pub use forwarded::{ForwardedHeader, forwarded_source};
pub use handle::ConnectionHandle;
pub use limits::ConnectionLimits;
pub use metrics::ConnectionMetrics;
pub use networks::{Network, NetworkFault, Networks};
pub use newcomers::PlaceKeeper;
pub use places::ConnectionPlaces;
pub use running::{Drain, RunningServer};
pub use server::HttpServer;
pub use shown_peer::ConnectionPeer;
pub use stop_signals::{StopSignal, StopSignals};
