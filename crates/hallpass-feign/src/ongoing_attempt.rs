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
    /// When it ends at the latest, on tokio's clock.
    pub(crate) deadline: Instant,
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
        deadline: Instant,
        reading: Reading,
        max_response_bytes: usize,
    ) -> Self {
        Self {
            context,
            instance,
            deadline,
            reading,
            max_response_bytes,
            sent_at: AtomicU64::new(NOT_YET),
            status: AtomicU16::new(NO_STATUS),
            identity: OnceLock::new(),
            lost: AtomicBool::new(false),
        }
    }

    /// Whether its deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.time_left().is_zero()
    }

    /// What is left until its deadline.
    pub(crate) fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
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
