//! Whether the keys of an issuer that this one believes are to be had.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_resource::{KeyLimits, KeySource};

use crate::error::Error;
use crate::settings::trusted_issuer::TrustedIssuerSettings;
use crate::trusted_issuers::key_source;

/// The keys of a trusted issuer, from where an issuer with these settings has them and over the same way: for programs that look whether they
/// can be had. Nothing is fetched before it is asked to [load](KeySource::load) them.
///
/// # Errors
/// [`Error::TrustedIssuer`]: what the settings say of the connection cannot be used.
pub async fn trusted_issuer_keys(
    settings: &TrustedIssuerSettings,
    limits: KeyLimits,
    clock: &Arc<dyn Clock>,
) -> Result<KeySource, Error> {
    key_source(settings, limits, clock).await
}
