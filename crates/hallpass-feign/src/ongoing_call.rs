//! One call under way, as its layers share it.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hallpass_client::CallReport;
use hallpass_upstream::Instance;
use http::StatusCode;
use tokio::time::Instant;

use crate::error::FeignError;
use crate::response::Reading;

/// No call takes longer, whatever deadline was set: a day.
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 60 * 60);

/// One call of a method, with all its attempts. Made when the call begins and shared by its layers.
#[derive(Debug)]
pub(crate) struct OngoingCall {
    /// The whole call's limit.
    pub(crate) limit: Duration,
    /// When the limit is reached, on tokio's clock, which drives the timers.
    pub(crate) deadline: Instant,
    /// Whether the call may be sent again though the callee may have acted on it.
    pub(crate) idempotent: bool,
    /// What to do with the response's body.
    pub(crate) reading: Reading,
    /// Longest response, in bytes.
    pub(crate) max_response_bytes: usize,
    attempts: AtomicU32,
    /// The instances of all attempts, each once, the last one last. As many as there are attempts at most.
    tried: Mutex<Vec<Instance>>,
    last_attempt: Mutex<LastAttempt>,
}

/// What is known of the last attempt. Locked for a few instructions and never across an await.
#[derive(Clone, Debug, Default)]
pub(crate) struct LastAttempt {
    /// Which instance it went to.
    pub(crate) instance: Option<Instance>,
    /// When it was handed to the transport, identity and all, by the injected clock.
    pub(crate) sent_at: Option<Duration>,
    /// Status of the response.
    pub(crate) status: Option<StatusCode>,
    /// What identity it carried.
    pub(crate) identity: Option<CallReport>,
    /// Whether the fallback gave the answer in the end.
    pub(crate) fallback: bool,
}

impl OngoingCall {
    pub(crate) fn new(
        limit: Duration,
        idempotent: bool,
        reading: Reading,
        max_response_bytes: usize,
    ) -> Self {
        let limit = limit.min(MAX_DEADLINE);
        Self {
            limit,
            deadline: Instant::now() + limit,
            idempotent,
            reading,
            max_response_bytes,
            attempts: AtomicU32::new(0),
            tried: Mutex::default(),
            last_attempt: Mutex::default(),
        }
    }

    /// Notes that an attempt begins, and forgets the one before.
    pub(crate) fn begin_attempt(&self, instance: &Instance) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        let mut tried = self.locked_tried();
        tried.retain(|before| before != instance);
        tried.push(instance.clone());
        drop(tried);
        self.note(|attempt| {
            *attempt = LastAttempt {
                instance: Some(instance.clone()),
                ..LastAttempt::default()
            };
        });
    }

    /// Attempts so far.
    pub(crate) fn attempts(&self) -> u32 {
        self.attempts.load(Ordering::Relaxed)
    }

    /// Drops `sending` when the deadline passes. What is dropped then counts as a failure of the instance; see `admission`.
    pub(crate) async fn within_deadline<T>(
        &self,
        sending: impl Future<Output = Result<T, FeignError>>,
    ) -> Result<T, FeignError> {
        match tokio::time::timeout_at(self.deadline, sending).await {
            Ok(result) => result,
            Err(_) => Err(FeignError::Deadline { limit: self.limit }),
        }
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        Instant::now() >= self.deadline
    }

    /// Changes what is known of the last attempt.
    pub(crate) fn note(&self, change: impl FnOnce(&mut LastAttempt)) {
        change(&mut self.locked());
    }

    /// What is known of the last attempt.
    pub(crate) fn last_attempt(&self) -> LastAttempt {
        self.locked().clone()
    }

    /// Where the attempts so far went, the last one last.
    pub(crate) fn tried(&self) -> Vec<Instance> {
        self.locked_tried().clone()
    }

    /// When the last attempt was handed to the transport.
    pub(crate) fn sent_at(&self) -> Option<Duration> {
        self.locked().sent_at
    }

    fn locked_tried(&self) -> MutexGuard<'_, Vec<Instance>> {
        self.tried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn locked(&self) -> MutexGuard<'_, LastAttempt> {
        self.last_attempt
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
