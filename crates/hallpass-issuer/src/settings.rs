//! From the checked settings to what this crate works with.

use hallpass_config::IssuerSettings;
use hallpass_token::Algorithm;
use http::HeaderValue;

use crate::error::Error;
use crate::store::Store;

/// The store that the settings name.
pub(crate) async fn open_store(settings: &IssuerSettings) -> Result<Store, Error> {
    let key_encryption_key = settings
        .key_encryption_key
        .as_ref()
        .map(hallpass_config::Secret::expose);
    Store::open(&settings.store, key_encryption_key).await
}

/// What new tokens are signed with.
pub(crate) fn algorithm(settings: &IssuerSettings) -> Result<Algorithm, Error> {
    settings
        .algorithm
        .as_str()
        .parse()
        .map_err(|_| Error::Internal {
            operation: "reading the algorithm's name",
        })
}

/// How long the key set and the metadata may be kept.
pub(crate) fn jwks_cache_control(settings: &IssuerSettings) -> Result<HeaderValue, Error> {
    HeaderValue::try_from(format!(
        "public, max-age={}",
        settings.jwks_max_age.as_secs()
    ))
    .map_err(|_| Error::Internal {
        operation: "writing Cache-Control",
    })
}
