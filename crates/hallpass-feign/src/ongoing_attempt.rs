//! One attempt under way, as the layers below the choice of an instance share it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::task::Context;
use std::time::Duration;

use futures_util::task::AtomicWaker;
use hallpass_client::CallReport;
use hallpass_client::context::CallContext;
use hallpass_upstream::{Destination, Directed, Instance};
use http::StatusCode;
use tokio::time::Instant;

use crate::response::Reading;

/// Stands for a moment that has not come.
const NOT_YET: u64 = u64::MAX;
/// Stands for a status that has not come.
const NO_STATUS: u16 = 0;

/// A callee that is told when its caller stops waiting may say so a little before.
const TOLD_EARLY: Duration = Duration::from_millis(50);

/// How long something may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Time {
    /// How long that was when it began.
    pub(crate) limit: Duration,
    /// When it began, on tokio's clock.
    begun: Instant,
    /// When it ends at the latest, on tokio's clock: by its own limit, or because the caller waits no longer.
    pub(crate) deadline: Instant,
    /// When half of its own limit is over. What a caller leaves less than that has not failed: else anybody could have a service called
    /// broken that is well, by calls that leave it no time.
    fair: Instant,
    /// Whether it is the caller who waits no longer than that.
    is_hurried: bool,
}

impl Time {
    /// From now, by a limit of its own and the end that a caller has set.
    pub(crate) fn within(limit: Duration, end: Option<Instant>) -> Self {
        Self::from(Instant::now(), limit, end)
    }

    fn from(begun: Instant, limit: Duration, end: Option<Instant>) -> Self {
        let own = begun + limit;
        let deadline = end.map_or(own, |end| own.min(end));
        Self {
            limit: deadline.saturating_duration_since(begun),
            begun,
            deadline,
            fair: begun + limit / 2,
            is_hurried: deadline < own,
        }
    }

    /// A part of it that began so long after it, by a limit of its own.
    fn part(self, after: Duration, limit: Duration) -> Self {
        let part = Self::from(self.begun + after, limit, Some(self.deadline));
        Self {
            is_hurried: part.is_hurried && self.is_hurried,
            ..part
        }
    }

    /// Whether it is over at `now`.
    pub(crate) fn is_over(self, now: Instant) -> bool {
        now >= self.deadline
    }

    /// Half of its own limit. Who was asked less than that before the end has not failed: a token or another instance may have taken
    /// the rest, or the caller left less.
    pub(crate) fn half(self) -> Duration {
        self.fair.saturating_duration_since(self.begun)
    }
}

/// One attempt at one instance. A call may have several at a time, so what is known of one stands here and not with the
/// call; and it knows of the call what the layers below need, so that they may run on another task than the call.
///
/// Relaxed throughout: each value says all by itself, and who reads them on another task has awaited that task.
#[derive(Debug)]
pub(crate) struct OngoingAttempt {
    /// What the call belongs to.
    pub(crate) context: CallContext,
    /// Where it goes.
    destination: Destination,
    /// How long its call may take.
    call_time: Time,
    /// How long it may take from the moment at which it is handed to the transport, where that is less than its call may. What is
    /// before that (its place in the bulkhead, a token) is no matter of its instance.
    limit: Option<Duration>,
    /// When it was last handed to the transport, in nanoseconds of tokio's clock since its call began.
    sent_after: AtomicU64,
    /// Whether its instance has refused the token and has nothing to do meanwhile: another one may be waited for.
    is_rejected: AtomicBool,
    /// When it did, for a refusal that may stand.
    rejected_at: AtomicU64,
    /// What to do with the response's body.
    pub(crate) reading: Reading,
    /// Longest response, in bytes.
    pub(crate) max_response_bytes: usize,
    sent_at: AtomicU64,
    status: AtomicU16,
    identity: OnceLock<CallReport>,
    lost: AtomicBool,
    /// Who waits for it to be sent, while it runs on another task.
    watcher: AtomicWaker,
}

impl OngoingAttempt {
    pub(crate) fn new(
        context: CallContext,
        destination: Destination,
        (call_time, limit): (Time, Option<Duration>),
        (reading, max_response_bytes): (Reading, usize),
    ) -> Self {
        Self {
            context,
            destination,
            call_time,
            limit,
            sent_after: AtomicU64::new(NOT_YET),
            is_rejected: AtomicBool::new(false),
            rejected_at: AtomicU64::new(NOT_YET),
            reading,
            max_response_bytes,
            sent_at: AtomicU64::new(NOT_YET),
            status: AtomicU16::new(NO_STATUS),
            identity: OnceLock::new(),
            lost: AtomicBool::new(false),
            watcher: AtomicWaker::new(),
        }
    }

    /// Where it goes.
    pub(crate) fn instance(&self) -> &Instance {
        self.destination.instance()
    }

    /// How long it may take: until it is sent, as long as its call.
    fn time(&self) -> Time {
        match (self.limit, self.sent_after.load(Ordering::Relaxed)) {
            (None, _) | (_, NOT_YET) => self.call_time,
            _ if self.is_rejected() => self.call_time,
            (Some(limit), after) => self.call_time.part(Duration::from_nanos(after), limit),
        }
    }

    /// Whether its instance has failed to meet its deadline: it has had half of the time at least that an attempt may take.
    pub(crate) fn is_late(&self) -> bool {
        let (now, time) = (Instant::now(), self.time());
        let half = time.half().min(self.call_time.half());
        time.is_over(now) && self.is_under_way_for(half, now)
    }

    /// Whether it was sent so long before `now`, and its instance has not refused its token since.
    pub(crate) fn is_under_way_for(&self, least: Duration, now: Instant) -> bool {
        let sent = moment(&self.sent_after).map(|after| self.call_time.begun + after);
        sent.is_some_and(|sent| now.saturating_duration_since(sent) >= least) && !self.is_rejected()
    }

    /// When its call ends at the latest.
    pub(crate) const fn call_deadline(&self) -> Instant {
        self.call_time.deadline
    }

    /// When it is given up; `None` while that is left to its call.
    pub(crate) fn own_deadline(&self) -> Option<Instant> {
        let deadline = self.time().deadline;
        (deadline < self.call_time.deadline).then_some(deadline)
    }

    /// Whether a response that says "too late" now says so of a caller in a hurry: the callee was told what is left.
    pub(crate) fn is_hurried_out(&self) -> bool {
        let time = self.time();
        let is_short = time.is_hurried && Instant::now() < time.fair;
        is_short && self.time_left() < TOLD_EARLY
    }

    /// What is left until its deadline.
    fn time_left(&self) -> Duration {
        let deadline = self.time().deadline;
        deadline.saturating_duration_since(Instant::now())
    }

    /// Notes that it was handed to the transport, identity and all, at `now` of the injected clock, which is `sent` of tokio's; returns what is left of
    /// its time.
    pub(crate) fn sent(&self, now: Duration, sent: Instant) -> Duration {
        self.sent_at.store(nanos(now), Ordering::Relaxed);
        self.rejected_at.store(NOT_YET, Ordering::Relaxed);
        self.begin_time(sent);
        self.time().deadline.saturating_duration_since(sent)
    }

    /// Its time begins, or begins anew.
    fn begin_time(&self, now: Instant) {
        let after = nanos(now.saturating_duration_since(self.call_time.begun));
        self.sent_after.store(after, Ordering::Relaxed);
        self.is_rejected.store(false, Ordering::Relaxed);
    }

    /// Notes that its instance has refused its token, at `now` of the injected clock.
    pub(crate) fn rejected(&self, now: Duration) {
        self.rejected_at.store(nanos(now), Ordering::Relaxed);
        self.is_rejected.store(true, Ordering::Relaxed);
    }

    /// Whether its instance has refused its token, and it was neither sent again nor given up by the layers that renew tokens.
    pub(crate) fn is_rejected(&self) -> bool {
        self.is_rejected.load(Ordering::Relaxed)
    }

    /// Has the task of `context` look again when [`wake_watcher`](Self::wake_watcher) is called. One task at a time.
    pub(crate) fn watch(&self, context: &Context<'_>) {
        self.watcher.register(context.waker());
    }

    /// For whoever has sent it from another task than that of its call.
    pub(crate) fn wake_watcher(&self) {
        self.watcher.wake();
    }

    /// When it was last handed to the transport; `None` while it never was.
    pub(crate) fn sent_at(&self) -> Option<Duration> {
        moment(&self.sent_at)
    }

    /// When its instance refused the token that it was last sent with; `None` when it did not. The wait for another one was no time of
    /// the instance.
    pub(crate) fn rejected_at(&self) -> Option<Duration> {
        moment(&self.rejected_at)
    }

    /// Notes the head of the response.
    pub(crate) fn responded(&self, status: StatusCode, identity: Option<&CallReport>) {
        self.status.store(status.as_u16(), Ordering::Relaxed);
        if self.is_rejected() {
            // It stands, and its body is read.
            self.begin_time(Instant::now());
            self.wake_watcher();
        }
        if let Some(identity) = identity {
            _ = self.identity.set(identity.clone());
        }
    }

    /// Status of the response.
    pub(crate) fn status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.status.load(Ordering::Relaxed)).ok()
    }

    /// What identity it carried; known when somebody wants to know.
    pub(crate) fn identity(&self) -> Option<&CallReport> {
        self.identity.get()
    }

    /// Notes that another attempt of the same call was faster: what is dropped now says nothing against the instance.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Relaxed);
    }

    /// Whether another attempt was faster.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Directed for OngoingAttempt {
    fn destination(&self) -> &Destination {
        &self.destination
    }
}

fn moment(nanos: &AtomicU64) -> Option<Duration> {
    let nanos = nanos.load(Ordering::Relaxed);
    (nanos != NOT_YET).then(|| Duration::from_nanos(nanos))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).map_or(NOT_YET - 1, |nanos| nanos.min(NOT_YET - 1))
}
