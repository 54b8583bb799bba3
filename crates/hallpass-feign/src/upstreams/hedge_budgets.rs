//! How many hedges a service may cost.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hallpass_config::Percent;
use hallpass_upstream::{Address, EndpointUrl, RetryBudget};

use super::Whose;
use super::shared_by_place::SharedByPlace;
use crate::settings::FeignSettings;

/// One budget for all clients of a name at an address, whoever builds them and however often: by the share, of which there are a
/// hundred. Those of an address that a builder has named go with its clients.
#[derive(Debug, Default)]
pub(crate) struct HedgeBudgets {
    /// Locked while a client is built or takes settings, never during a call.
    known: Mutex<Known>,
}

/// With where the configuration said that the client calls.
type Known = SharedByPlace<(&'static str, Address, Percent), RetryBudget, Option<EndpointUrl>>;

impl HedgeBudgets {
    pub(crate) fn get(&self, whose: Whose<'_>, share: Percent) -> Arc<RetryBudget> {
        let mut known = self.locked();
        let place = (whose.client, whose.address.clone(), share);
        known.get(
            place,
            (whose.configured.cloned(), whose.is_kept),
            |_| true,
            |_| RetryBudget::new(share),
        )
    }

    /// After all clients have taken up these settings: forgets those of addresses that they do not name.
    pub(crate) fn keep_only(&self, settings: &FeignSettings) {
        self.locked()
            .keep_only(|(client, ..), _, url| settings.client(client).url == *url);
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
