//! One attempt under way, as the layers below the choice of an instance share it.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, Ordering};
use std::time::Duration;

use hallpass_client::CallReport;
use hallpass_client::context::CallContext;
use hallpass_upstream::Instance;
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
        let now = Instant::now();
        let own = now + limit;
        let deadline = end.map_or(own, |end| own.min(end));
        Self {
            limit: deadline.saturating_duration_since(now),
            deadline,
            fair: now + limit / 2,
            is_hurried: deadline < own,
        }
    }

    /// A part of it from now, by a limit of its own.
    pub(crate) fn part(self, limit: Duration) -> Self {
        let part = Self::within(limit, Some(self.deadline));
        Self {
            is_hurried: part.is_hurried && self.is_hurried,
            ..part
        }
    }

    /// Whether it is over, and was not cut short by a caller in a hurry.
    pub(crate) fn is_spent(self) -> bool {
        let now = Instant::now();
        now >= self.deadline && !(self.is_hurried && now < self.fair)
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
    pub(crate) instance: Instance,
    /// How long it may take.
    pub(crate) time: Time,
    /// What to do with the response's body.
    pub(crate) reading: Reading,
    /// Longest response, in bytes.
    pub(crate) max_response_bytes: usize,
    sent_at: AtomicU64,
    status: AtomicU16,
    identity: OnceLock<CallReport>,
    lost: AtomicBool,
}

impl OngoingAttempt {
    pub(crate) fn new(
        context: CallContext,
        instance: Instance,
        time: Time,
        (reading, max_response_bytes): (Reading, usize),
    ) -> Self {
        Self {
            context,
            instance,
            time,
            reading,
            max_response_bytes,
            sent_at: AtomicU64::new(NOT_YET),
            status: AtomicU16::new(NO_STATUS),
            identity: OnceLock::new(),
            lost: AtomicBool::new(false),
        }
    }

    /// Whether its instance has failed to meet its deadline.
    pub(crate) fn is_late(&self) -> bool {
        self.time.is_spent()
    }

    /// Whether a response that says "too late" now says so of a caller in a hurry: the callee was told what is left.
    pub(crate) fn is_hurried_out(&self) -> bool {
        let is_short = self.time.is_hurried && Instant::now() < self.time.fair;
        is_short && self.time_left() < TOLD_EARLY
    }

    /// What is left until its deadline.
    pub(crate) fn time_left(&self) -> Duration {
        self.time.deadline.saturating_duration_since(Instant::now())
    }

    /// Notes that it was handed to the transport, identity and all, at `now` of the injected clock.
    pub(crate) fn sent(&self, now: Duration) {
        let nanos = u64::try_from(now.as_nanos()).unwrap_or(NOT_YET - 1);
        self.sent_at.store(nanos, Ordering::Relaxed);
    }

    /// When it was last handed to the transport; `None` while it never was.
    pub(crate) fn sent_at(&self) -> Option<Duration> {
        let nanos = self.sent_at.load(Ordering::Relaxed);
        (nanos != NOT_YET).then(|| Duration::from_nanos(nanos))
    }

    /// Notes the head of the response.
    pub(crate) fn responded(&self, status: StatusCode, identity: Option<&CallReport>) {
        self.status.store(status.as_u16(), Ordering::Relaxed);
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
