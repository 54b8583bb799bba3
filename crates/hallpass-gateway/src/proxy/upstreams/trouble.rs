//! What the log is told of a service from which no response comes: why, in the words of the error.

use hallpass_upstream::{Refusal, TransportErrorKind};

use crate::proxy::upstream_error::UpstreamError;
use crate::said::Said;

/// No response of `service` came for a request of `route`.
pub(crate) fn say(said: &Said, (service, route): (&str, &str), error: &UpstreamError) {
    match kind(error).and_then(|kind| said.times(kind)) {
        Some(times) => tracing::warn!(service, route, %error, times, "no response of a service"),
        None => tracing::debug!(service, route, %error, "no response of a service"),
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
