//! How many fetches strangers may cause.

use std::time::Duration;

/// An allowance that grows by one fetch each cool-down, up to a burst.
///
/// A token that nobody has verified may cost a fetch: it may be the first that the issuer signed with a new key. With
/// one fetch a cool-down alone, one such token would keep the next one, a good one, waiting for the rest of it.
#[derive(Debug)]
pub(super) struct Budget {
    burst: u32,
    cooldown: Duration,
    left: u32,
    /// Since when the next one grows.
    growing_since: Duration,
}

impl Budget {
    /// `burst` fetches may follow one another at once. `cooldown` must not be zero.
    pub(super) fn new(burst: u32, cooldown: Duration) -> Self {
        Self {
            burst,
            cooldown,
            left: burst,
            growing_since: Duration::ZERO,
        }
    }

    /// Takes one, if there is one.
    pub(super) fn take(&mut self, now: Duration) -> bool {
        while self.left < self.burst && now >= self.growing_since.saturating_add(self.cooldown) {
            self.growing_since = self.growing_since.saturating_add(self.cooldown);
            self.left += 1;
        }
        if self.left == self.burst {
            self.growing_since = now;
        }
        let is_there = self.left > 0;
        self.left = self.left.saturating_sub(1);
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(budget: &mut Budget, second: u64) -> usize {
        let now = Duration::from_secs(second);
        std::iter::repeat_with(|| budget.take(now))
            .take_while(|taken| *taken)
            .count()
    }

    #[test]
    fn it_grows_by_one_a_cooldown_and_not_beyond_the_burst() {
        let mut budget = Budget::new(4, Duration::from_secs(10));
        let seconds = [1000, 1009, 1010, 1011, 1019, 1020, 1045, 1050, 9000];
        let found = seconds.map(|second| taken(&mut budget, second));
        assert_eq!(found, [4, 0, 1, 0, 0, 1, 2, 1, 4]);
    }

    #[test]
    fn one_that_is_drawn_on_once_a_cooldown_never_ends() {
        let mut budget = Budget::new(4, Duration::from_secs(10));
        for round in 0..1000 {
            assert!(budget.take(Duration::from_secs(10 * round)));
        }
        assert!(taken(&mut budget, 10_000) >= 3);
    }

    #[test]
    fn a_very_long_cooldown_is_no_fault() {
        let mut budget = Budget::new(4, Duration::MAX);
        assert_eq!(taken(&mut budget, u64::MAX), 4);
        assert_eq!(taken(&mut budget, u64::MAX), 0);
    }
}
