//! The certificate authorities of an issuer that runs, after each change.

use std::sync::atomic::Ordering;

use bytes::Bytes;

use crate::authority::authorities::write_bundle;
use crate::authority::upkeep::{self, Kept};
use crate::core::Core;
use crate::error::Error;
use crate::settings::IssuerSettings;
use crate::settings::ca::CaSettings;

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
        self.write_bundle(ca, kept.ring.bundle()).await;
        Ok(Some(kept))
    }

    /// Whether the file of the bundle is older than the bundle.
    pub(crate) fn has_bundle_behind(&self) -> bool {
        self.authorities.bundle_behind.load(Ordering::Relaxed)
    }

    /// Tries once more to write it.
    pub(crate) async fn write_bundle_again(&self) {
        let settings = self.settings.load_full();
        if let (Some(ca), Some(ring)) = (&settings.ca, self.authorities.ring()) {
            self.write_bundle(ca, ring.bundle()).await;
        }
    }

    /// Keys and clients must not wait for that; where it fails it is tried again, so that whoever reads the file trusts an authority before
    /// that signs.
    async fn write_bundle(&self, ca: &CaSettings, bundle: &Bytes) {
        let written = write_bundle(ca.bundle_file.as_deref(), bundle).await;
        let was_behind = self
            .authorities
            .bundle_behind
            .swap(written.is_err(), Ordering::Relaxed);
        match written {
            Ok(()) if was_behind => {
                tracing::info!("the bundle of the certificate authority is written again");
            }
            Err(error) if !was_behind => {
                tracing::error!(%error, "the bundle of the certificate authority cannot be written");
            }
            Ok(()) | Err(_) => {}
        }
    }
}
