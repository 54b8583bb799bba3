//! Decides whether an issuer is asked about a token now.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::inactive::Inactive;
use super::limits::IntrospectionLimits;
use crate::error::IntrospectionFailure;
use crate::token_digest::TokenDigest;

/// Most questions under way at once.
const MAX_UNDER_WAY: usize = 256;
/// Of these, most about tokens that were not good before: strangers never have all.
const MAX_NEW_UNDER_WAY: usize = MAX_UNDER_WAY / 2;
/// Wait after a first failure; it doubles with each further one.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Longest wait after a failure, unless the endpoint asks for more.
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);
/// Longest wait that an endpoint can ask for (`Retry-After`).
const LONGEST_ASKED: Duration = Duration::from_secs(30);

/// What an issuer said: its response of a token that is good, or `None`.
pub(super) type Outcome = Result<Option<Bytes>, IntrospectionFailure>;
type Receiver = watch::Receiver<Option<Outcome>>;

/// What becomes of a token that nothing is known about.
#[derive(Debug)]
pub(super) enum Begun {
    /// It was said not to be good a moment ago.
    Inactive,
    /// The issuer is not asked now.
    Refused(IntrospectionFailure),
    /// It is being asked already.
    Join(Receiver),
    /// It is the caller's to ask.
    Start(watch::Sender<Option<Outcome>>, Receiver),
}

/// What is under way, and what holds the next question back.
#[derive(Debug)]
pub(super) struct Gate {
    limits: IntrospectionLimits,
    under_way: HashMap<TokenDigest, Receiver>,
    inactive: Inactive,
    new: Allowance,
    failures: u32,
    not_before: Duration,
    last_failure: Option<IntrospectionFailure>,
}

impl Gate {
    pub(super) fn new(limits: IntrospectionLimits) -> Self {
        Self {
            limits,
            under_way: HashMap::new(),
            inactive: Inactive::default(),
            new: Allowance::new(limits.new_per_second),
            failures: 0,
            not_before: Duration::ZERO,
            last_failure: None,
        }
    }

    pub(super) fn begin(&mut self, digest: TokenDigest, was_good: bool, now: Duration) -> Begun {
        if self.inactive.contains(&digest, now) {
            return Begun::Inactive;
        }
        // A sender that is gone belongs to a task that was cancelled with its runtime.
        let alive = |outcome: &Receiver| outcome.has_changed().is_ok();
        if let Some(outcome) = self.under_way.get(&digest).filter(|it| alive(it)) {
            return Begun::Join(outcome.clone());
        }
        if let Some(last) = &self.last_failure
            && (now < self.not_before || self.under_way.values().any(alive))
        {
            let retry_in = self.not_before.saturating_sub(now);
            return Begun::Refused(IntrospectionFailure::TooEarly {
                last: last.to_string(),
                retry_in,
            });
        }
        let most = match was_good {
            true => MAX_UNDER_WAY,
            false => MAX_NEW_UNDER_WAY,
        };
        if self.under_way.len() >= most {
            self.under_way.retain(|_, outcome| alive(outcome));
        }
        // While the endpoint is away its waits alone hold questions back: what strangers send then uses nothing up.
        let is_allowed = was_good || self.last_failure.is_some() || self.new.take(now);
        if self.under_way.len() >= most || !is_allowed {
            return Begun::Refused(IntrospectionFailure::TooMany);
        }
        let (sender, outcome) = watch::channel(None);
        self.under_way.insert(digest, outcome.clone());
        Begun::Start(sender, outcome)
    }

    /// The question was not asked after all.
    pub(super) fn give_up(&mut self, digest: &TokenDigest) {
        self.under_way.remove(digest);
    }

    /// Notes how a question ended.
    pub(super) fn finish(&mut self, digest: TokenDigest, outcome: &Outcome, now: Duration) {
        self.under_way.remove(&digest);
        match outcome {
            Err(failure) if failure.is_of_endpoint() => {
                let doubled =
                    FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(self.failures.min(16)));
                self.failures = self.failures.saturating_add(1);
                let asked = failure.retry_in().min(LONGEST_ASKED);
                let wait = doubled.min(LONGEST_BACKOFF).max(asked);
                self.not_before = self.not_before.max(now.saturating_add(wait));
                self.last_failure = Some(failure.clone());
            }
            Err(_) => {}
            Ok(said) => {
                self.failures = 0;
                self.not_before = now;
                self.last_failure = None;
                if said.is_none() {
                    let until = now.saturating_add(self.limits.negative_cache);
                    self.inactive.remember(digest, until, now);
                }
            }
        }
    }
}

/// Questions about tokens that were not good before: so many a second.
#[derive(Debug)]
struct Allowance {
    per_second: u32,
    /// In nanoseconds of growth: one question costs a second divided by `per_second`.
    saved: Duration,
    at: Duration,
}

impl Allowance {
    const fn new(per_second: u32) -> Self {
        Self {
            per_second,
            saved: Duration::from_secs(1),
            at: Duration::ZERO,
        }
    }

    fn take(&mut self, now: Duration) -> bool {
        let Some(cost) = Duration::from_secs(1).checked_div(self.per_second) else {
            return false;
        };
        let grown = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        self.saved = self.saved.saturating_add(grown).min(Duration::from_secs(1));
        match self.saved.checked_sub(cost) {
            Some(left) => {
                self.saved = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use hallpass_client::IntrospectionError;

    use super::*;

    fn digest(number: usize) -> TokenDigest {
        TokenDigest::of(&number.to_string())
    }

    fn gate() -> Gate {
        Gate::new(IntrospectionLimits::default())
    }

    fn is_started(begun: &Begun) -> bool {
        matches!(begun, Begun::Start(..))
    }

    fn status(status: u16, retry_after: Option<u64>) -> Outcome {
        let retry_after = retry_after.map(Duration::from_secs);
        let error = IntrospectionError::Status {
            status,
            retry_after,
        };
        Err(error.into())
    }

    #[test]
    fn strangers_tokens_cost_so_many_questions_a_second_and_take_none_from_those_that_were_good() {
        let mut gate = gate();
        let second = Duration::from_secs(100);
        let asked = |gate: &mut Gate, from: usize, now: Duration| {
            let tokens = from..from + 1_000;
            tokens
                .filter(|number| {
                    let is_started = is_started(&gate.begin(digest(*number), false, now));
                    gate.finish(digest(*number), &Ok(None), now);
                    is_started
                })
                .count()
        };
        assert_eq!(asked(&mut gate, 0, second), 50);
        assert_eq!(asked(&mut gate, 10_000, second), 0);
        let later = second + Duration::from_millis(500);
        assert_eq!(asked(&mut gate, 20_000, later), 25);
        assert!(is_started(&gate.begin(digest(7_000_000), true, later)));
    }

    #[test]
    fn questions_under_way_are_bounded_and_strangers_have_half_of_them() {
        let limits = IntrospectionLimits {
            new_per_second: 1_000_000,
            ..IntrospectionLimits::default()
        };
        let mut gate = Gate::new(limits);
        let now = Duration::from_secs(1);
        let mut kept = Vec::new();
        let mut begin = |was_good: bool, numbers: std::ops::Range<usize>| {
            let begun = numbers.map(|number| gate.begin(digest(number), was_good, now));
            let started: Vec<_> = begun.filter(is_started).collect();
            let count = started.len();
            kept.extend(started);
            count
        };
        assert_eq!(begin(false, 0..1_000), MAX_NEW_UNDER_WAY);
        assert_eq!(begin(true, 1_000..2_000), MAX_UNDER_WAY - MAX_NEW_UNDER_WAY);
        // One that is being asked about is joined, however many there are.
        assert!(matches!(gate.begin(digest(0), false, now), Begun::Join(_)));
    }

    #[test]
    fn while_the_endpoint_fails_one_question_at_a_time_is_asked_after_waits_that_double() {
        let mut gate = gate();
        let mut now = Duration::from_secs(100);
        let mut waits = Vec::new();
        for number in 0..9 {
            let begun = gate.begin(digest(number), false, now);
            assert!(is_started(&begun), "{number}: {begun:?}");
            if number > 0 {
                // Nobody else until this one has ended.
                let other = gate.begin(digest(1_000), true, now);
                assert!(matches!(
                    other,
                    Begun::Refused(IntrospectionFailure::TooEarly { .. })
                ));
            }
            gate.finish(digest(number), &status(500, None), now);
            let Begun::Refused(IntrospectionFailure::TooEarly { retry_in, .. }) =
                gate.begin(digest(1_000), true, now)
            else {
                panic!("it is too early")
            };
            waits.push(retry_in.as_millis());
            now += retry_in;
        }
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000]);
        // It is back: all is as before.
        assert!(is_started(&gate.begin(digest(20), false, now)));
        gate.finish(digest(20), &Ok(Some(Bytes::new())), now);
        for number in 30..40 {
            assert!(is_started(&gate.begin(digest(number), true, now)));
        }
    }

    #[test]
    fn an_endpoint_is_left_alone_for_as_long_as_it_asks_and_no_longer_than_half_a_minute() {
        for (asked, wait) in [(7, 7), (3_600, 30)] {
            let (mut gate, now) = (gate(), Duration::from_secs(1));
            assert!(is_started(&gate.begin(digest(0), false, now)));
            gate.finish(digest(0), &status(503, Some(asked)), now);
            let just_before = now + Duration::from_secs(wait) - Duration::from_millis(1);
            assert!(!is_started(&gate.begin(digest(1), true, just_before)));
            let then = now + Duration::from_secs(wait);
            assert!(is_started(&gate.begin(digest(1), true, then)));
        }
    }

    #[test]
    fn a_token_that_the_endpoint_cannot_read_holds_nobody_else_back() {
        let (mut gate, now) = (gate(), Duration::from_secs(1));
        for number in 0..20 {
            assert!(is_started(&gate.begin(digest(number), false, now)));
            gate.finish(digest(number), &status(400, None), now);
        }
        gate.finish(digest(99), &status(401, None), now);
        assert!(
            !is_started(&gate.begin(digest(20), true, now)),
            "it does not take our credential"
        );
    }

    #[test]
    fn one_that_was_said_not_to_be_good_is_not_asked_about_again_for_a_while() {
        let (mut gate, now) = (gate(), Duration::from_secs(1));
        assert!(is_started(&gate.begin(digest(0), false, now)));
        gate.finish(digest(0), &Ok(None), now);
        let end = now + Duration::from_secs(10);
        for at in [now, end - Duration::from_millis(1)] {
            assert!(matches!(gate.begin(digest(0), true, at), Begun::Inactive));
        }
        assert!(is_started(&gate.begin(digest(0), true, end)));
    }
}
