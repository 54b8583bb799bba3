//! Which version of HTTP a request is sent by, and the limits of connections that many requests share.

use std::time::Duration;

use hyper_util::client::legacy::Builder;
use hyper_util::rt::TokioTimer;

/// Which version of HTTP a request is sent by. It stands among the extensions of the request; without it, it is HTTP/1.1.
///
/// Many requests share one connection of HTTP/2. They share none with requests by HTTP/1.1, and go by the same rules: other
/// connections in their place when TLS changes or when they are old, and none for two transports.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Http2 {
    /// HTTP/1.1.
    #[default]
    Never,
    /// What the server chooses: HTTP/2 is offered with TLS (ALPN, RFC 7301). Plain http is HTTP/1.1.
    Auto,
    /// HTTP/2, also over plain http, where the server is known to speak it (RFC 9113 section 3.3). A server that does not is an error.
    Always,
}

impl Http2 {
    /// The names in settings.
    pub const NAMES: &'static [&'static str] = &["never", "auto", "always"];

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "never" => Some(Self::Never),
            "auto" => Some(Self::Auto),
            "always" => Some(Self::Always),
            _ => None,
        }
    }

    /// What is offered with TLS, the best first.
    pub(super) fn protocols(self) -> Vec<Vec<u8>> {
        match self {
            Self::Never => Vec::new(),
            Self::Auto => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
            Self::Always => vec![b"h2".to_vec()],
        }
    }
}

/// Longest header of a response with its sum by RFC 9113 section 6.5.2, in bytes.
const MAX_HEADER_LIST_BYTES: u32 = 64 * 1024;
/// What a server may send of one response before it is read, in bytes.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;
/// So many responses that nobody reads stop no other one on their connection: the room of all is that of one, so many times.
const UNREAD_RESPONSES: u32 = 16 * 1024;
/// What a server may send on a connection before it is read, in bytes. It is a promise and not memory: a server can make use of it only
/// by as many responses as this side has asked for, with the room of one each.
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * UNREAD_RESPONSES;
/// What is kept of one request that the server does not take yet, in bytes.
const MAX_SEND_BUFFER_BYTES: usize = 256 * 1024;
/// Requests given up within a second of which late answers are expected. What comes for others counts below.
const MAX_RESET_STREAMS: usize = 4 * 1024;
/// Frames, in the life of a connection, for requests that are forgotten. More than these end it: a server that is not at fault sends few,
/// since they have to cross with the request's end, and one that is takes no more memory than their resets.
const MAX_LATE_FRAMES: usize = 16 * 1024;
/// A connection on which requests wait is asked so often whether it is alive, where nothing else is read from it. Servers of gRPC end
/// connections that ask often, so what is silent gets no further requests long before that: see `silence`.
const PING_EVERY: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// Limits against servers that are broken or hostile. Pushes are refused by hyper, and floods of frames ended by `h2`.
pub(super) fn limit(builder: &mut Builder) -> &mut Builder {
    builder
        .timer(TokioTimer::new())
        .http2_max_header_list_size(MAX_HEADER_LIST_BYTES)
        .http2_initial_stream_window_size(STREAM_WINDOW_BYTES)
        .http2_initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_max_send_buf_size(MAX_SEND_BUFFER_BYTES)
        .http2_max_concurrent_reset_streams(MAX_RESET_STREAMS)
        .http2_max_local_error_reset_streams(MAX_LATE_FRAMES)
        .http2_keep_alive_interval(PING_EVERY)
        .http2_keep_alive_timeout(PING_TIMEOUT)
}
