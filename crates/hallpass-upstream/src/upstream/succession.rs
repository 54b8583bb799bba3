//! What the upstream that takes another one's place begins with, when settings have changed.

use std::sync::PoisonError;

use super::Upstream;

impl Upstream {
    /// Begins with what `before`, an upstream of the same address, knows: its list of instances, so that there is one while discovery
    /// does not answer, as old as it is there; of each instance how long it takes; where the settings of its breaker are the same what
    /// that has counted and whether it is open, and where those of ejection are the same whether it is left out. Calls that are
    /// under way go on there and are not counted here; the budget of retries is a new one.
    ///
    /// After [`with_settings`](Self::with_settings) and [`with_observer`](Self::with_observer), which begin anew.
    #[must_use]
    pub fn succeeding(mut self, before: &Self) -> Self {
        let (instances, fleet, confirmed_at, begin_with) = {
            let known = before.known();
            let begin_with = known.begin_with.clone();
            let (instances, fleet) = (known.instances.clone(), known.fleet.clone());
            (instances, fleet, known.confirmed_at, begin_with)
        };
        if self.address != before.address || instances.is_empty() {
            return self;
        }
        self.common.usual.begin_as(&before.common.usual);
        self.replace(&mut self.known(), instances);
        let known = self.known.get_mut();
        let known = known.unwrap_or_else(PoisonError::into_inner);
        known.confirmed_at = confirmed_at;
        known.begin_with = begin_with;
        for own in known.fleet.all() {
            let mut all = fleet.all();
            let same = all.find(|it| it.state.instance == own.state.instance);
            if let Some(same) = same {
                own.state.begin_as(&same.state);
            }
        }
        self
    }
}
