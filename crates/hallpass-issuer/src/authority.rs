//! The certificate authority: short-lived certificates for registered clients, so that an estate without a mesh has mutual TLS.
//!
//! ```text
//! form -> client authentication, or its old certificate -> names of the registration -> key of the request -> certificate -> audit
//! ```
//!
//! Of a request its key counts and nothing else. An authority is one generation of several: `announced`, so that every peer has it
//! before it signs; `signing`; `retired`, until the last certificate that it signed has ended; deleted.

pub(crate) mod administration;
pub(crate) mod authorities;
mod bundle_file;
mod ca_key;
mod certificate;
pub(crate) mod endpoint;
pub(crate) mod metrics;
pub(crate) mod record;
mod request;
pub(crate) mod ring;
mod rotation;
pub(crate) mod upkeep;
