//! Whether, when and how often a request is sent again.

mod backoff;
mod budget;

use std::time::Duration;

use crate::outcome::{Outcome, RetryAdvice};

pub use backoff::{RETRY_WAIT_BASE, RETRY_WAIT_MAX};
pub use budget::RetryBudget;

/// What follows an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextStep {
    /// Its outcome stands.
    Stand,
    /// Another attempt after this wait.
    RetryAfter(Duration),
    /// Another attempt might help, and the service's budget for retries is used up.
    BudgetExhausted,
}

/// What follows attempt number `attempt` (the first is 1) whose `outcome` is known.
///
/// What never reached the callee may be sent again whatever the verb is; what may have reached it only when the call is
/// `idempotent`. The wait is random below a doubling ceiling, at least as long as the callee wishes, and shorter than
/// `left`, the time that the whole call still has. Whether there is a further attempt at all (their number, a body that
/// can be sent twice) is the caller's to check.
pub fn next_step(
    outcome: &impl Outcome,
    idempotent: bool,
    attempt: u32,
    left: Duration,
    budget: &RetryBudget,
) -> NextStep {
    let least = match outcome.retry_advice() {
        RetryAdvice::Stands => return NextStep::Stand,
        RetryAdvice::MayHaveActed { .. } if !idempotent => return NextStep::Stand,
        RetryAdvice::MayHaveActed { after } => after,
        RetryAdvice::Unsent => Duration::ZERO,
    };
    let wait = backoff::wait(attempt.saturating_sub(1)).max(least);
    if wait >= left {
        return NextStep::Stand;
    }
    if budget.withdraw() {
        NextStep::RetryAfter(wait)
    } else {
        NextStep::BudgetExhausted
    }
}
