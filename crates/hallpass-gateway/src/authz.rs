//! External authorization: from a proxy's question to the answer in the proxy's own terms.
//!
//! `http.rs` reads a question by the protocol of its path, `grpc.rs` one of Envoy's messages → `question.rs` makes the original request of it, or refuses →
//! `core.rs` decides → `http/answer.rs` or `grpc/answer.rs` says it.

mod allowed;
mod core;
mod grpc;
mod http;
mod metrics;
mod plan;
mod question;
pub(crate) mod running;
pub(crate) mod server;
pub(crate) mod service;
mod tenant;
