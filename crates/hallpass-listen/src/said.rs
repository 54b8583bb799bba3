//! What the accept loop has to say.

use crate::seldom::Seldom;

/// What the accept loop has to say, and must not say for each connection.
#[derive(Debug, Default)]
pub(crate) struct Said {
    pub(crate) not_accepted: Seldom,
    pub(crate) refused: Seldom,
    pub(crate) gave_way: Seldom,
}

impl Said {
    /// What a burst has left unsaid.
    pub(crate) fn say_the_rest(&mut self) {
        if let Some(times) = self.not_accepted.overdue() {
            tracing::warn!(times, "connections could not be accepted");
        }
        if let Some(times) = self.refused.overdue() {
            tracing::warn!(times, "connections refused: too many are open");
        }
        if let Some(times) = self.gave_way.overdue() {
            tracing::warn!(
                times,
                "connections on which nobody was let in were closed for new ones"
            );
        }
    }
}
