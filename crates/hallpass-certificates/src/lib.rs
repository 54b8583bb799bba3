//! Certificates of the issuer's authority (`issuer.ca`): asked for with a new key each time, renewed when half of their life is over, and
//! written where listeners and callers follow them.
//!
//! * [`CertificateAgent`] does it, as the client of a [`Credential`](hallpass_client::Credential).
//! * What it writes is [`IssuedFiles`](hallpass_tls::IssuedFiles): `ServerTlsSettings` and `ClientTls` of `hallpass-tls` take their names.
//!
//! **Promise.** A certificate is renewed by the one before, and by the credential where that fails. What is held goes on for as long as it
//! counts, whatever the issuer does; nothing that cannot be used takes its place. Files change as a whole, never by half, and the private key
//! is readable by its owner alone. When to renew is decided by how much of the life has passed since it came: a clock that is off by any
//! time changes nothing.
//!
//! **What it does not do**: it starts no listener, and trusts nobody but the issuer that it is told to ask. Nothing is written where there
//! are no links that are replaced in one step (Windows).

mod agent;
mod asking;
mod bundle;
mod error;
mod folder;
mod given;
mod held;
mod key;
mod metrics;
mod renewal;
mod settings;

pub use agent::{CertificateAgent, CertificateHandle};
pub use error::CertificateError;
pub use metrics::CertificateMetrics;
pub use settings::CertificateSettings;
