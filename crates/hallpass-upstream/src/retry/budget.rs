//! How many retries a service may cost, shared by all its callers in this process.

use std::sync::atomic::{AtomicI64, Ordering};

use hallpass_config::Percent;

/// One retry, in the unit that the budget counts in.
const RETRY: i64 = 1_000;
/// Retries that are there from the start: a service that is rarely called may still retry.
const RETRIES_AT_FIRST: i64 = 10;
/// The most that can be saved up. Those that were under way when an instance stopped to answer are made again by it: it takes half
/// a second of 2,000 calls a second. A service that was well for long gets no storm for it but these once.
const RETRIES_IN_RESERVE: i64 = 1_000;

/// A bucket that each call fills by a share of a retry and each retry empties by one.
///
/// With a share of 20 % retries add at most a fifth to the load of a service that answers nothing.
#[derive(Debug)]
pub struct RetryBudget {
    balance: AtomicI64,
    deposit: i64,
}

impl RetryBudget {
    /// A budget of `share` retries a call; 0 % grants none.
    #[must_use]
    pub fn new(share: Percent) -> Self {
        let deposit = i64::from(share.get()) * (RETRY / 100);
        let reserve = if deposit == 0 {
            0
        } else {
            RETRIES_AT_FIRST * RETRY
        };
        Self {
            balance: AtomicI64::new(reserve),
            deposit,
        }
    }

    /// Notes a call (its first attempt).
    pub fn deposit(&self) {
        let most = RETRIES_IN_RESERVE * RETRY;
        if self.balance.load(Ordering::Relaxed) >= most {
            // Of a service that has been well for a while: nothing changes, and threads do not take the number from each other.
            return;
        }
        self.change(|balance| Some((balance + self.deposit).min(most)));
    }

    /// Takes one retry, or says that there is none left.
    #[must_use]
    pub fn withdraw(&self) -> bool {
        self.change(|balance| (balance >= RETRY).then_some(balance - RETRY))
    }

    fn change(&self, change: impl Fn(i64) -> Option<i64>) -> bool {
        self.balance
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change)
            .is_ok()
    }
}

#[cfg(test)]
mod tests {
    use hallpass_config::Percent;

    use super::{RETRIES_AT_FIRST, RETRIES_IN_RESERVE, RetryBudget};

    fn budget(percent: u8) -> RetryBudget {
        RetryBudget::new(Percent::new(percent).unwrap())
    }

    fn retries_granted(budget: &RetryBudget, calls: usize) -> usize {
        (0..calls)
            .filter(|_| {
                budget.deposit();
                budget.withdraw()
            })
            .count()
    }

    #[test]
    fn retries_stay_within_the_share_and_what_is_there_at_first() {
        let granted = retries_granted(&budget(20), 1_000);
        let most = 200 + usize::try_from(RETRIES_AT_FIRST).unwrap();
        assert!((most - 2..=most).contains(&granted), "{granted}");
    }

    #[test]
    fn good_times_save_up_no_more_than_the_reserve() {
        let budget = budget(20);
        (0..10_000).for_each(|_| budget.deposit());
        assert_eq!(
            (0..2_000).filter(|_| budget.withdraw()).count() as i64,
            RETRIES_IN_RESERVE
        );
    }

    /// All calls of a tenth of a second, at 2,000 a second, were under way to an instance that hangs.
    #[test]
    fn ten_good_seconds_pay_for_those_that_an_instance_takes_with_it() {
        let budget = budget(10);
        (0..20_000).for_each(|_| budget.deposit());
        assert_eq!((0..200).filter(|_| budget.withdraw()).count(), 200);
    }

    #[test]
    fn a_share_of_zero_grants_nothing() {
        assert_eq!(retries_granted(&budget(0), 100), 0);
    }
}
