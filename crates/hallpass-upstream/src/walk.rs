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

/// What an error that one instance gave means for the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterError {
    /// Every instance would say the same: it is the answer.
    Stands,
    /// It is that instance's own: another one may answer, and where there is none, it is the answer. The next walk begins elsewhere.
    Elsewhere,
    /// No answer at all: another instance is asked, and the same one again where [`Walk::again`] says so.
    GoesOn,
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
    /// Asks one instance after the other until one answers, beginning with the one that answered last time. What an error means
    /// is for `after` to say. Silence is no answer: one that takes a connection and says nothing costs a share of the time and not
    /// all of it.
    ///
    /// For questions that may be asked twice. Breakers and bulkheads are told nothing.
    ///
    /// # Errors
    /// [`WalkError`]: an error that stands, at once; else what came of the last attempt.
    pub async fn ask_in_turn<T, E, F>(
        &self,
        walk: Walk,
        mut ask: impl FnMut(Instance) -> F,
        after: impl Fn(&E) -> AfterError,
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
            let (failure, may_again) = match timeout(share, ask(instance.clone())).await {
                Ok(Ok(answer)) => {
                    self.begin_with(instance);
                    return Ok(answer);
                }
                Ok(Err(error)) => match after(&error) {
                    AfterError::Stands => {
                        self.begin_with(instance);
                        return Err(WalkError::Failed(error));
                    }
                    AfterError::Elsewhere => (WalkError::Failed(error), false),
                    AfterError::GoesOn => (WalkError::Failed(error), walk.again),
                },
                Err(_) => (WalkError::TooLong, false),
            };
            self.begin_elsewhere(&instance);
            if others == 0 && (!may_again || attempt >= walk.attempts) {
                return Err(failure);
            }
        }
        Err(WalkError::TooLong)
    }
}

#[cfg(test)]
mod tests;
