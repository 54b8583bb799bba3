//! A limit that is a third at first, for a service that is cold.

use std::time::Duration;

/// How many times fewer calls are let through when it is cold.
const COLD_FACTOR: f64 = 3.0;

/// The warm-up of Sentinel's flow rules, with its numbers: a store of tokens fills while few calls come and is emptied by those
/// that come; the fuller it is, the fewer calls a period are let through, down to a third. No clock: `now` is an argument.
///
/// What Sentinel counts a second, this counts a period.
#[derive(Clone, Debug)]
pub(super) struct WarmUp {
    period: Duration,
    /// Calls a period when it is warm.
    calls: f64,
    /// From here on it is cold.
    warning: f64,
    /// The store holds so many.
    most: f64,
    /// By how much the interval between calls grows with each token above the warning line, in periods.
    slope: f64,
    stored: f64,
    /// Which period it is, since the clock began; `None` before the first call.
    number: Option<u128>,
    passed: u32,
}

impl WarmUp {
    pub(super) fn new(calls: u32, period: Duration, warm_up: Duration) -> Self {
        let calls = f64::from(calls);
        let periods = warm_up.as_nanos() as f64 / period.as_nanos().max(1) as f64;
        // Whole tokens, as there.
        let warning = (periods * calls).floor() / (COLD_FACTOR - 1.0);
        let warning = warning.floor();
        let most = warning + (2.0 * periods * calls / (1.0 + COLD_FACTOR)).floor();
        let slope = match most > warning {
            true => (COLD_FACTOR - 1.0) / calls / (most - warning),
            false => 0.0,
        };
        Self {
            period,
            calls,
            warning,
            most,
            slope,
            stored: 0.0,
            number: None,
            passed: 0,
        }
    }

    /// Lets a call through, or says how long it is until the next period.
    pub(super) fn take(&mut self, now: Duration) -> Result<(), Duration> {
        self.turn(now);
        if f64::from(self.passed) + 1.0 > self.rate() {
            let into = now.as_nanos() % self.period.as_nanos().max(1);
            let into = Duration::from_nanos(u64::try_from(into).unwrap_or(0));
            return Err(self.period.saturating_sub(into));
        }
        self.passed = self.passed.saturating_add(1);
        Ok(())
    }

    /// How far apart calls are now.
    pub(super) fn interval(&mut self, now: Duration) -> Duration {
        self.turn(now);
        // At most three periods: the rate is a third of a call at least.
        Duration::from_nanos((self.period.as_nanos() as f64 / self.rate()) as u64)
    }

    /// Counts a call that somebody else has let through.
    pub(super) fn count(&mut self, now: Duration) {
        self.turn(now);
        self.passed = self.passed.saturating_add(1);
    }

    pub(super) fn give_back(&mut self, now: Duration) {
        self.turn(now);
        self.passed = self.passed.saturating_sub(1);
    }

    /// Calls a period, at this filling of the store.
    fn rate(&self) -> f64 {
        match self.stored >= self.warning {
            true => {
                let interval = (self.stored - self.warning) * self.slope + 1.0 / self.calls;
                (1.0 / interval).next_up()
            }
            false => self.calls,
        }
    }

    /// With each new period the store gets what it got since, and loses what the period before let through.
    fn turn(&mut self, now: Duration) {
        let number = now.as_nanos() / self.period.as_nanos().max(1);
        let Some(before) = self.number.replace(number) else {
            self.stored = self.most;
            return;
        };
        let Some(periods) = number.checked_sub(before).filter(|periods| *periods > 0) else {
            self.number = Some(before.max(number));
            return;
        };
        let passed = if periods == 1 { self.passed } else { 0 };
        let passed = f64::from(passed);
        // Between a third and all of the calls it stays as cold as it is.
        let fills = self.stored < self.warning
            || (self.stored > self.warning && passed < (self.calls / COLD_FACTOR).floor());
        if fills {
            self.stored = (self.stored + periods as f64 * self.calls).min(self.most);
        }
        self.stored = (self.stored - passed).max(0.0);
        self.passed = 0;
    }
}
