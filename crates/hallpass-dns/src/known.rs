//! What is known of a service, and when it is to be looked up again.

use std::time::Duration;

use hallpass_upstream::{DiscoverError, Instances};
use tokio::sync::watch;
use tokio::time::Instant;

/// A look-up that failed is not tried again for so long.
const PAUSE: Duration = Duration::from_secs(1);
/// For so long after a failure callers are told of it at once, while the next look-up is under way.
const FAILING: Duration = Duration::from_secs(10);

pub(crate) type Outcome = Result<Instances, DiscoverError>;
/// A look-up under way, until it has brought something.
pub(crate) type UnderWay = watch::Receiver<Option<Outcome>>;

/// A service that was asked for.
#[derive(Debug)]
pub(crate) struct Known {
    /// The last answer, "no instance" included, and until when it counts.
    answer: Option<(Outcome, Instant)>,
    /// What kept the last look-up from an answer, and when.
    failure: Option<(DiscoverError, Instant)>,
    /// When to look it up again.
    due: Instant,
    under_way: Option<UnderWay>,
}

/// What a caller gets.
#[derive(Debug)]
pub(crate) enum Recall {
    /// This.
    Outcome(Outcome),
    /// What the look-up brings.
    Wait(UnderWay),
}

impl Known {
    /// Nothing is known, and a look-up is due.
    pub(crate) fn nothing() -> Self {
        Self {
            answer: None,
            failure: None,
            due: Instant::now(),
            under_way: None,
        }
    }

    /// What is known now. `begin` is called when a look-up is due and none is under way.
    pub(crate) fn recall(&mut self, begin: impl FnOnce() -> UnderWay) -> Recall {
        let now = Instant::now();
        let known = self.known_at(now);
        // One whose runtime is gone brings nothing any more.
        let under_way = self.under_way.take().filter(is_alive);
        match known {
            Some(outcome) => {
                let is_due = now >= self.due;
                self.under_way = under_way.or_else(|| is_due.then(begin));
                Recall::Outcome(outcome)
            }
            None => {
                let under_way = under_way.unwrap_or_else(begin);
                self.under_way = Some(under_way.clone());
                Recall::Wait(under_way)
            }
        }
    }

    /// Takes what a look-up has brought: an answer counts for `age`, and the next look-up is made a little earlier, so that
    /// nobody has to wait for it. A failure takes no answer away that still counts.
    pub(crate) fn take(&mut self, outcome: Outcome, age: Duration) -> Change {
        let now = Instant::now();
        self.under_way = None;
        let was_failing = self.failure.take().is_some();
        match outcome {
            Err(error @ DiscoverError::Unavailable { .. }) => {
                self.failure = Some((error, now));
                self.due = now + PAUSE;
                if was_failing {
                    Change::None
                } else {
                    Change::Fails
                }
            }
            answer => {
                self.answer = Some((answer, now + age));
                self.due = now + age.mul_f64(0.75);
                if was_failing {
                    Change::Recovers
                } else {
                    Change::None
                }
            }
        }
    }

    /// What callers are told without waiting.
    fn known_at(&self, now: Instant) -> Option<Outcome> {
        let answer = self.answer.as_ref().filter(|(_, until)| now < *until);
        let failing = |(_, since): &&(DiscoverError, Instant)| now.duration_since(*since) < FAILING;
        let failure = self.failure.as_ref().filter(failing);
        match (answer, failure) {
            (Some((answer, _)), _) => Some(answer.clone()),
            (None, Some((error, _))) => Some(Err(error.clone())),
            (None, None) => None,
        }
    }

    /// The instances of the last answer, so that the same ones stay the same list.
    pub(crate) fn instances(&self) -> Option<&Instances> {
        self.answer.as_ref()?.0.as_ref().ok()
    }

    /// Whether forgetting it would cost a look-up.
    pub(crate) fn is_of_use(&self) -> bool {
        let now = Instant::now();
        let is_under_way = self.under_way.as_ref().is_some_and(is_alive);
        is_under_way || self.answer.as_ref().is_some_and(|(_, until)| now < *until)
    }
}

fn is_alive(under_way: &UnderWay) -> bool {
    under_way.has_changed().is_ok()
}

/// What is worth a line in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    None,
    Fails,
    Recovers,
}
