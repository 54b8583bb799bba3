//! The gateway: from a request of a caller to the response of the service that it is for.
//!
//! `server.rs` listens → `pipeline.rs` holds the order of the steps: `head.rs`, `hop_by_hop.rs`, the route (`plan.rs`), the decision, the token, the
//! head that the upstream sees (`outgoing.rs`; `identity.rs` last) → `sending.rs`, `retrying.rs` and `attempt.rs` send it → `reply.rs` hands the response on, or
//! `tunnel.rs` joins two connections. Bodies: `upload.rs`, `download.rs`. What goes wrong on the way becomes a response in `rescue.rs` alone.

pub(crate) mod access_log;
mod attempt;
mod caller_places;
mod cookies;
mod cors;
mod download;
pub(crate) mod draining;
mod forwarded;
mod head;
pub(crate) mod hop_by_hop;
mod identity;
mod logout;
mod management;
pub(crate) mod metrics;
pub(crate) mod noted;
mod of_proxies;
mod outgoing;
pub(crate) mod parts;
mod pause;
pub(crate) mod pipeline;
pub(crate) mod plan;
mod rates;
mod reply;
mod rescue;
mod retrying;
mod route;
pub(crate) mod running;
pub(crate) mod seen;
mod sending;
pub(crate) mod server;
mod spare_timers;
mod trail;
mod trailers;
pub(crate) mod tunnel;
mod upload;
mod upstream_error;
pub(crate) mod upstreams;
mod who;
