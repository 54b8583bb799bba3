//! What becomes of a call.

use hallpass::upstream::{TransportError, TransportErrorKind};

/// The end of a call that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The whole response has come, with this status.
    Answered(u16),
    /// There was none that can be used, for this reason.
    Failed(&'static str),
}

/// No end within the limit of a call.
pub(crate) const TIMEOUT: &str = "timeout";

/// Why a transport brought no response.
pub(crate) fn of_transport(error: &TransportError) -> Ended {
    Ended::Failed(match error.kind() {
        TransportErrorKind::Connect => "connect",
        TransportErrorKind::ConnectTimeout => "connect_timeout",
        TransportErrorKind::PlainHttp => "plain_http",
        TransportErrorKind::Tls => "tls",
        TransportErrorKind::Closed => "closed",
        TransportErrorKind::Broken => "broken",
        TransportErrorKind::Protocol => "protocol",
        TransportErrorKind::Request => "request",
        _ => "connection",
    })
}
