//! The same question to one instance after the other, until one answers.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::discovery::Instance;
use crate::outcome::Refusal;
use crate::upstream::Upstream;

/// How far [`Upstream::ask_in_turn`] goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Walk {
    /// Longest time of it all. Each instance that is asked gets an equal share of what is left.
    pub within: Duration,
    /// Most questions.
    pub attempts: usize,
    /// Whether an instance is asked again when it failed before its time was over and there is no other.
    pub again: bool,
}

/// Why [`Upstream::ask_in_turn`] brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WalkError<E> {
    /// There is no instance that may be asked.
    Refused(Refusal),
    /// The error of the last one that was asked.
    Failed(E),
    /// The last one that was asked did not answer in its share of the time.
    TooLong,
}

impl Upstream {
    /// Asks one instance after the other until one answers, beginning with the one that answered last time. An error by
    /// which `goes_on` holds is no answer, and neither is silence: one that takes a connection and says nothing costs a
    /// share of the time and not all of it.
    ///
    /// For questions that may be asked twice. Breakers and bulkheads are told nothing.
    ///
    /// # Errors
    /// [`WalkError`]: an error by which `goes_on` does not hold, at once; else what came of the last attempt.
    pub async fn ask_in_turn<T, E, F>(
        &self,
        walk: Walk,
        mut ask: impl FnMut(Instance) -> F,
        goes_on: impl Fn(&E) -> bool,
    ) -> Result<T, WalkError<E>>
    where
        F: Future<Output = Result<T, E>>,
    {
        let began = Instant::now();
        let mut tried: Vec<Instance> = Vec::new();
        for attempt in 1.. {
            let left = || walk.within.saturating_sub(began.elapsed());
            // An implementation of discovery may hang as well.
            let chosen = timeout(left(), self.choose_in_turn(&tried)).await;
            let chosen = chosen.map_err(|_| WalkError::TooLong)?;
            let chosen = chosen.map_err(WalkError::Refused)?;
            let instance = chosen.instance().clone();
            if !tried.contains(&instance) {
                tried.push(instance.clone());
            }
            let others = self
                .others_than(&tried)
                .min(walk.attempts.saturating_sub(attempt));
            let share = left() / u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1);
            let failure = match timeout(share, ask(instance.clone())).await {
                Ok(Err(error)) if goes_on(&error) => WalkError::Failed(error),
                Ok(outcome) => {
                    self.begin_with(instance);
                    return outcome.map_err(WalkError::Failed);
                }
                Err(_) => WalkError::TooLong,
            };
            self.begin_elsewhere(&instance);
            let is_silent = matches!(failure, WalkError::TooLong);
            if others == 0 && (is_silent || !walk.again || attempt >= walk.attempts) {
                return Err(failure);
            }
        }
        Err(WalkError::TooLong)
    }
}

#[cfg(test)]
mod tests;
