//! The certificate authorities of an issuer that runs, after each change.

use crate::authority::authorities::write_bundle;
use crate::authority::upkeep::{self, Kept};
use crate::core::Core;
use crate::error::Error;
use crate::settings::IssuerSettings;

impl Core {
    /// Those of the store, in the state of this moment. Only in one's turn.
    pub(super) async fn keep_authorities(
        &self,
        settings: &IssuerSettings,
    ) -> Result<Option<Kept>, Error> {
        let Some(ca) = &settings.ca else {
            return Ok(None);
        };
        let clock = (self.clock.as_ref(), self.authorities.clock_is_even());
        let kept = upkeep::keep(ca, &self.store, clock).await?;
        if let Err(error) = write_bundle(ca.bundle_file.as_deref(), &kept).await {
            // Keys and clients must not wait for that; it is tried again with the next change.
            tracing::error!(%error, "the bundle of the certificate authority cannot be written");
        }
        Ok(Some(kept))
    }
}
