//! The sidecar: two proxies beside one program over the pipeline of the gateway, one for what comes to it and one for what it sends.
//!
//! `server.rs` starts both → `local.rs` lets no web page and no neighbour speak as the program, `lent.rs` remembers for whom it works → the pipeline of the gateway. `warm.rs` has tokens there
//! before they are asked for; `running.rs` changes and ends it.

mod lent;
mod local;
pub(crate) mod running;
pub(crate) mod server;
mod warm;
