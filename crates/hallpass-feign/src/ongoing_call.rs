//! One call under way, as its layers share it.

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hallpass_upstream::{Destination, Instance};
use tokio::time::Instant;

use crate::error::FeignError;
use crate::ongoing_attempt::{OngoingAttempt, Time};
use crate::origin::Origin;
use crate::response::Reading;

/// No call takes longer, whatever deadline was set: a day.
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// One call of a method, with all its attempts. Made when the call begins and shared by its layers.
#[derive(Debug)]
pub(crate) struct OngoingCall {
    /// For whom the call is made, and what else it belongs to, as its caller's task had it: no layer asks which task it runs on.
    pub(crate) origin: Origin,
    /// How long the whole call may take.
    pub(crate) time: Time,
    /// Whether the call may be sent again though the callee may have acted on it.
    pub(crate) idempotent: bool,
    /// What its request asks for (`Accept`), where that and the constants of its method are all that it begins with.
    pub(crate) usual: Option<&'static str>,
    reading: Reading,
    max_response_bytes: usize,
    attempts: Attempts,
    /// Whether the fallback gave the answer in the end. Relaxed: the caller's task alone writes and reads it.
    fallback: AtomicBool,
    /// When it began on the injected clock, in nanoseconds, while it has waited for nothing since; [`NOT_NOW`]. Relaxed, as above.
    looked_at: AtomicU64,
}

/// Stands for a moment that is over.
const NOT_NOW: u64 = u64::MAX;

/// All attempts of a call. The first, often the only one, takes no list and no lock.
#[derive(Debug, Default)]
struct Attempts {
    first: OnceLock<Arc<OngoingAttempt>>,
    /// Whether there are others. Relaxed: they are read under their lock.
    has_others: AtomicBool,
    /// Locked for a few instructions and never across an await.
    further: Mutex<Further>,
}

/// The attempts after the first one.
#[derive(Debug, Default)]
struct Further {
    /// In the order in which they began.
    others: Vec<Arc<OngoingAttempt>>,
    /// The one that ended last; the newest when it has begun after that.
    last: Option<Arc<OngoingAttempt>>,
}

impl OngoingCall {
    pub(crate) fn new(
        origin: Origin,
        limit: Duration,
        idempotent: bool,
        reading: Reading,
        max_response_bytes: usize,
    ) -> Self {
        let limit = limit.min(MAX_DEADLINE);
        // Whoever waits for the caller may not wait for as long as this call may take.
        let time = Time::within(limit, origin.context.deadline());
        Self {
            origin,
            time,
            idempotent,
            usual: None,
            reading,
            max_response_bytes,
            attempts: Attempts::default(),
            fallback: AtomicBool::new(false),
            looked_at: AtomicU64::new(NOT_NOW),
        }
    }

    /// Notes what time it is on the injected clock, for the step that asks next.
    pub(crate) fn look(&self, now: Duration) {
        let now = u64::try_from(now.as_nanos()).unwrap_or(NOT_NOW);
        self.looked_at.store(now, Ordering::Relaxed);
    }

    /// What time it is, if somebody has just [looked](Self::look); once.
    pub(crate) fn now(&self) -> Option<Duration> {
        let now = self.looked_at.load(Ordering::Relaxed);
        self.looked_at.store(NOT_NOW, Ordering::Relaxed);
        (now != NOT_NOW).then(|| Duration::from_nanos(now))
    }

    /// An attempt that begins now, and has `timeout` at most once it is sent.
    pub(crate) fn begin_attempt(
        &self,
        destination: Destination,
        timeout: Option<Duration>,
    ) -> Attempt<'_> {
        let timeout = timeout.map(|timeout| timeout.min(MAX_DEADLINE));
        let begin = || {
            Arc::new(OngoingAttempt::new(
                self.origin.of_attempt(),
                destination,
                (self.time, timeout),
                (self.reading, self.max_response_bytes),
            ))
        };
        // Attempts begin one after the other, in the task of their call.
        match self.attempts.first.get() {
            None => Attempt::First(self.attempts.first.get_or_init(begin)),
            Some(_) => Attempt::Further(self.attempts.add(begin())),
        }
    }

    /// Notes that `attempt` has ended: unless another one begins or ends later, its end is the call's.
    pub(crate) fn end_attempt(&self, attempt: &Arc<OngoingAttempt>) {
        if self.attempts.has_others() {
            self.attempts.further().last = Some(Arc::clone(attempt));
        }
    }

    /// Notes that an attempt has answered: those that are under way beside it have lost.
    pub(crate) fn lose_others(&self) {
        _ = self.attempts.find(|attempt| {
            attempt.lose();
            false
        });
    }

    /// Whether one of its attempts was sent, but for the first `before` of them.
    pub(crate) fn was_sent(&self, before: usize) -> bool {
        let mut left = before;
        self.attempts.find(|attempt| {
            let is_before = left > 0;
            left = left.saturating_sub(1);
            !is_before && attempt.sent_at().is_some() && !attempt.is_rejected()
        })
    }

    /// Attempts so far.
    pub(crate) fn attempts(&self) -> usize {
        let first = usize::from(self.attempts.first.get().is_some());
        match self.attempts.has_others() {
            true => first + self.attempts.further().others.len(),
            false => first,
        }
    }

    /// The attempt that decided, or the newest one.
    pub(crate) fn last_attempt(&self) -> Option<Attempt<'_>> {
        match self.attempts.has_others() {
            true => self.attempts.further().last.clone().map(Attempt::Further),
            false => self.attempts.first.get().map(Attempt::First),
        }
    }

    /// Where the attempts so far went, each instance once, that of the last attempt last.
    pub(crate) fn tried(&self) -> Vec<Instance> {
        let mut tried = Vec::new();
        _ = self.attempts.find(|attempt| {
            tried.retain(|before| before != attempt.instance());
            tried.push(attempt.instance().clone());
            false
        });
        tried
    }

    /// Drops `sending` when the deadline passes. What is dropped then counts as a failure of the instance, unless the caller left it no time;
    /// see `admission`.
    pub(crate) async fn within_deadline<T>(
        &self,
        sending: impl Future<Output = Result<T, FeignError>>,
    ) -> Result<T, FeignError> {
        match tokio::time::timeout_at(self.time.deadline, sending).await {
            Ok(result) => result,
            Err(_) => Err(self.too_late()),
        }
    }

    /// Whether its caller had stopped waiting when it began.
    pub(crate) fn has_no_time(&self) -> bool {
        self.time.limit.is_zero()
    }

    /// Whether the service has failed to respond in time: a caller in a hurry, or the wait for a token, may have left it little, and
    /// of a call that waited all the time it knows nothing.
    pub(crate) fn is_late(&self) -> bool {
        let (now, half) = (Instant::now(), self.time.half());
        let has_had_it = |attempt: &OngoingAttempt| attempt.is_under_way_for(half, now);
        self.time.is_over(now) && self.attempts.find(has_had_it)
    }

    /// Whether its last attempt, which was given up, has had its own time, or the call has.
    pub(crate) fn has_run_out_of_time(&self) -> bool {
        let last = self.last_attempt();
        last.is_some_and(|attempt| attempt.is_late()) || self.is_late()
    }

    /// Whether a response that says "too late" now says so of a caller in a hurry.
    pub(crate) fn is_hurried_out(&self) -> bool {
        let last = self.last_attempt();
        last.is_some_and(|attempt| attempt.is_hurried_out())
    }

    /// What the caller of a call gets that has taken too long.
    pub(crate) fn too_late(&self) -> FeignError {
        FeignError::Deadline {
            limit: self.time.limit,
        }
    }

    /// Notes that the fallback gives the answer.
    pub(crate) fn fall_back(&self) {
        self.fallback.store(true, Ordering::Relaxed);
    }

    /// Whether the fallback gave the answer.
    pub(crate) fn fell_back(&self) -> bool {
        self.fallback.load(Ordering::Relaxed)
    }
}

/// An attempt of a call: no reference is counted for the first one.
pub(crate) enum Attempt<'a> {
    First(&'a Arc<OngoingAttempt>),
    Further(Arc<OngoingAttempt>),
}

impl Deref for Attempt<'_> {
    type Target = Arc<OngoingAttempt>;

    fn deref(&self) -> &Arc<OngoingAttempt> {
        match self {
            Self::First(attempt) => attempt,
            Self::Further(attempt) => attempt,
        }
    }
}

impl Attempts {
    fn add(&self, attempt: Arc<OngoingAttempt>) -> Arc<OngoingAttempt> {
        let mut further = self.further();
        further.others.push(Arc::clone(&attempt));
        further.last = Some(Arc::clone(&attempt));
        self.has_others.store(true, Ordering::Relaxed);
        attempt
    }

    fn has_others(&self) -> bool {
        self.has_others.load(Ordering::Relaxed)
    }

    /// Looks at them, in the order in which they began, until one is what is looked for; whether there is one.
    fn find(&self, mut is_it: impl FnMut(&OngoingAttempt) -> bool) -> bool {
        let Some(first) = self.first.get() else {
            return false;
        };
        if is_it(first) {
            return true;
        }
        self.has_others() && self.further().others.iter().any(|other| is_it(other))
    }

    fn further(&self) -> MutexGuard<'_, Further> {
        self.further.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instance(port: u16) -> Instance {
        format!("127.0.0.1:{port}").parse().unwrap()
    }

    fn at(port: u16) -> Destination {
        Destination::new("orders", instance(port))
    }

    #[tokio::test]
    async fn what_is_known_of_a_call_is_known_of_the_attempt_that_ended_last_or_of_a_newer_one() {
        let call = OngoingCall::new(
            Origin::default(),
            Duration::from_secs(1),
            true,
            Reading::Whole,
            1,
        );
        assert!(call.last_attempt().is_none());
        let first = call.begin_attempt(at(1), None);
        let second = call.begin_attempt(at(2), None);
        let port = || call.last_attempt().unwrap().instance().port();
        assert_eq!((call.attempts(), port()), (2, 2));
        call.end_attempt(&first);
        assert_eq!(port(), 1);
        call.end_attempt(&second);
        assert_eq!(port(), 2);
        let again = call.begin_attempt(at(1), None);
        _ = again.sent(Duration::from_secs(7), Instant::now());
        assert_eq!(first.sent_at(), None, "each attempt notes its own");
        assert_eq!(call.tried(), [instance(2), instance(1)]);
        assert_eq!((call.attempts(), port()), (3, 1));
    }

    /// A call of a second, with an attempt that has `limit` and is sent so many milliseconds after the call began: whether it and the
    /// call are late when the call is over.
    async fn late(limit: Option<u64>, sent: u64) -> (bool, bool) {
        let second = Duration::from_secs(1);
        let call = OngoingCall::new(Origin::default(), second, true, Reading::Whole, 1);
        let attempt = call.begin_attempt(at(1), limit.map(Duration::from_millis));
        tokio::time::advance(Duration::from_millis(sent)).await;
        assert!(!attempt.is_late() && !call.is_late(), "it was never sent");
        let left = attempt.sent(Duration::ZERO, Instant::now());
        let at_most = limit.unwrap_or(1_000).min(1_000 - sent);
        assert_eq!(left, Duration::from_millis(at_most));
        tokio::time::advance(Duration::from_millis(999 - sent)).await;
        assert!(!call.is_late(), "it is not over");
        tokio::time::advance(Duration::from_millis(1)).await;
        let late = (attempt.is_late(), call.is_late());
        attempt.rejected(Duration::ZERO);
        assert!(!attempt.is_late() && !call.is_late(), "it has answered");
        late
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_asked_a_little_before_the_end_is_not_late() {
        for (limit, sent, expected) in [
            (None, 0, (true, true)),
            (None, 499, (true, true)),
            (None, 501, (false, false)),
            (None, 999, (false, false)),
            // Half of its own limit, which is less than that of the call.
            (Some(200), 499, (true, true)),
            (Some(200), 899, (true, false)),
            (Some(200), 901, (false, false)),
            // No more than half of that of the call.
            (Some(60_000), 499, (true, true)),
            (Some(60_000), 501, (false, false)),
        ] {
            assert_eq!(late(limit, sent).await, expected, "{limit:?}, {sent}");
        }
    }
}
