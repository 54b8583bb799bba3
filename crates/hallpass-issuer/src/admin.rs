//! The interface for administrators: `/admin/v1`, on a listener of its own (`issuer.admin`).
//!
//! ```text
//! host -> no page of a browser -> who (access) -> body within limits -> route -> the same functions as the command line -> audit
//! ```
//!
//! Nothing is served before it is known who asks, a path that is not there neither. What changes something runs to its end whoever goes away
//! (`change`), counts when the response comes, and leaves an audit event with who, what and how it ended. The description of it all
//! (`router`) is made of the functions that serve it.

mod access;
mod audit;
mod authorities;
mod call;
mod change;
mod clients;
pub(crate) mod fault;
mod idempotency;
mod input;
mod keys;
mod made;
mod merge_patch;
mod metrics;
mod origin;
mod problem;
mod revocations;
pub(crate) mod router;
pub(crate) mod server;
mod service;
mod status;
