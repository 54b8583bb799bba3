//! Why a service cannot start.

use hallpass_client::TokenSettingsError;
use hallpass_feign::BuildError;
use hallpass_upstream::TransportError;

/// Why [`Hallpass`](crate::Hallpass) cannot be made from the settings. Nothing was sent or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The HTTP transport cannot be made.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The token service cannot work as `internal-token` says.
    #[error(transparent)]
    InternalToken(#[from] TokenSettingsError),
    /// The call layer cannot be made.
    #[error(transparent)]
    Feign(#[from] BuildError),
}
