//! How many hedges a service may cost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use hallpass_config::Percent;
use hallpass_upstream::RetryBudget;

/// One budget for all clients of a name, whoever builds them and however often: by the share, of which there are a hundred.
#[derive(Debug, Default)]
pub(crate) struct HedgeBudgets {
    /// Locked while a client is built or takes settings, never during a call.
    known: Mutex<HashMap<(&'static str, Percent), Arc<RetryBudget>>>,
}

impl HedgeBudgets {
    pub(crate) fn get(&self, client: &'static str, share: Percent) -> Arc<RetryBudget> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let budget = known.entry((client, share));
        Arc::clone(budget.or_insert_with(|| Arc::new(RetryBudget::new(share))))
    }
}
