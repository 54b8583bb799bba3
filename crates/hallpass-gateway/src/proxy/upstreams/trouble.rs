//! What the log is told of a service from which no response comes: why, in the words of the error, once, and not for each request.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallpass_upstream::{Refusal, Reminders, TransportErrorKind};
use tokio::time::Instant;

use crate::proxy::rescue::UpstreamError;

/// After so long without trouble, what comes is new and is said at once.
const QUIET: Duration = Duration::from_secs(60);

/// What was said of one service. Asked where there is no response, and by nobody else.
#[derive(Debug, Default)]
pub(crate) struct ServiceTrouble {
    said: Reminders,
    /// When there was trouble last. Locked for moments.
    last: Mutex<Option<Instant>>,
}

impl ServiceTrouble {
    /// No response of `service` came for a request of `route`.
    pub(crate) fn say(&self, service: &str, route: &str, error: &UpstreamError) {
        match self.is_due(error) {
            Some(times) => {
                tracing::warn!(service, route, %error, times, "no response of a service");
            }
            None => tracing::debug!(service, route, %error, "no response of a service"),
        }
    }

    /// How often it was so since it was said last, when it is to be said now.
    fn is_due(&self, error: &UpstreamError) -> Option<u64> {
        let kind = kind(error)?;
        let now = Instant::now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let before = last.replace(now);
        drop(last);
        if before.is_some_and(|before| now.saturating_duration_since(before) >= QUIET) {
            self.said.over();
        }
        self.said.times(kind)
    }
}

/// What tells one trouble from another; `None` of what a limit of the settings refuses, which metrics show by its name.
fn kind(error: &UpstreamError) -> Option<&'static str> {
    Some(match error {
        UpstreamError::Refused(refusal) => match refusal {
            Refusal::NoInstance(_) => "no instance",
            Refusal::BreakerOpen { .. }
            | Refusal::BulkheadFull { .. }
            | Refusal::RateLimited { .. } => return None,
        },
        UpstreamError::Transport(error) => match error.kind() {
            TransportErrorKind::Connect => "connect",
            TransportErrorKind::ConnectTimeout => "connect timeout",
            TransportErrorKind::PlainHttp => "plain http",
            TransportErrorKind::Broken => "broken",
            TransportErrorKind::Protocol => "protocol",
            _ => "other",
        },
        UpstreamError::TimedOut => "timeout",
        UpstreamError::Invalid(_) => "invalid",
        UpstreamError::Switched => "switched",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_said_once_and_the_next_one_too() {
        let trouble = ServiceTrouble::default();
        let timeout = || trouble.is_due(&UpstreamError::TimedOut);
        assert_eq!(timeout(), Some(1));
        for _ in 0..100 {
            tokio::time::advance(Duration::from_secs(1)).await;
            assert_eq!(timeout(), None, "it goes on");
        }
        assert_eq!(trouble.is_due(&UpstreamError::Switched), Some(1), "another");
        tokio::time::advance(QUIET).await;
        assert_eq!(timeout(), Some(1), "the next one");
        let open = Refusal::BreakerOpen {
            service: "a".into(),
            retry_after: QUIET,
        };
        assert_eq!(trouble.is_due(&open.into()), None);
    }
}
