//! What the upstream that takes another one's place begins with, when settings have changed.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::heritage::Heritage;
use super::{Known, Upstream};

impl Upstream {
    /// Begins with what `before`, an upstream of the same address, knows when this one is asked first: its list of instances, so that
    /// there is one while discovery does not answer, as old as it is there; of each instance how long it takes; where the settings of
    /// its breaker are the same what that has counted and whether it is open, and where those of ejection are the same whether it is
    /// left out. Calls that are under way go on there and are not counted here; the budget of retries is a new one.
    #[must_use]
    pub fn succeeding(self, before: &Self) -> Self {
        if self.address == before.address {
            self.known().heritage = before.heritage();
        }
        self
    }

    fn heritage(&self) -> Option<Heritage> {
        let known = self.known();
        if known.instances.is_empty() {
            return known.heritage.clone();
        }
        Some(Heritage {
            instances: known.instances.clone(),
            fleet: Arc::clone(&known.fleet),
            confirmed_at: self.confirmed_at.load(Ordering::Relaxed),
            begin_with: known.begin_with.clone(),
            common: Arc::clone(&self.common),
        })
    }

    /// Not before it is asked: whoever looks on is told of instances of upstreams that are used.
    pub(super) fn take_over(&self, known: &mut Known) {
        let Some(before) = known.heritage.take() else {
            return;
        };
        self.common.begin_as(&before.common);
        self.replace(known, before.instances);
        self.confirmed_at
            .store(before.confirmed_at, Ordering::Relaxed);
        known.begin_with = before.begin_with;
        for own in known.fleet.all() {
            let mut all = before.fleet.all();
            let same = all.find(|it| it.state.instance == own.state.instance);
            if let Some(same) = same {
                own.state.begin_as(&same.state);
            }
        }
    }
}
