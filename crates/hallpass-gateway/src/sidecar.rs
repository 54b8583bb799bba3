//! The sidecar: two proxies beside one program over the pipeline of the gateway, one for what comes to it and one for what it sends.
//!
//! `server.rs` starts both. `inbound.rs` and `outbound.rs` serve: `lent.rs` remembers for whom the program works, `local.rs` lets no web page and no neighbour speak as the program and says where
//! a request of it goes → the pipeline of the gateway, to services; the same without any token, to hosts outside (`outside.rs`); or a tunnel (`tunnels.rs`). `warm.rs` has tokens there before they
//! are asked for; `running.rs` changes and ends it, `side.rs` what both sides have in common.

mod inbound;
mod lent;
mod local;
mod outbound;
mod outside;
pub(crate) mod running;
pub(crate) mod server;
mod side;
mod tunnels;
mod warm;
