//! How many hedges a service may cost.

use std::sync::{Arc, Mutex, PoisonError};

use hallpass_config::Percent;
use hallpass_upstream::{Address, RetryBudget};

use super::Whose;
use super::shared_by_place::SharedByPlace;

/// One budget for all clients of a name at an address, whoever builds them and however often: by the share, of which there are a
/// hundred. Those of an address that a builder has named go with its clients.
#[derive(Debug, Default)]
pub(crate) struct HedgeBudgets {
    /// Locked while a client is built or takes settings, never during a call.
    known: Mutex<SharedByPlace<(&'static str, Address, Percent), RetryBudget, ()>>,
}

impl HedgeBudgets {
    pub(crate) fn get(&self, whose: Whose<'_>, share: Percent) -> Arc<RetryBudget> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let place = (whose.client, whose.address.clone(), share);
        known.get(
            place,
            ((), whose.is_kept),
            |_| true,
            |_| RetryBudget::new(share),
        )
    }
}
