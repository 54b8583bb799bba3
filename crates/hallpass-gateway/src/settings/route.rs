//! `gateway.routes`: which requests go where, as whom.

mod keys;
mod read;
mod spring;
mod template;

use std::time::Duration;

use hallpass_client::Identity;
use hallpass_config::Key;
use hallpass_resource::{HostPattern, PathPattern, RouteRule};
use hallpass_token::{Audience, Scope};
use hallpass_upstream::{EndpointUrl, RetrySettings};
use http::{HeaderName, HeaderValue, Method};

pub(crate) use keys::DEFAULT_KEYS;
pub(crate) use spring::{FILTERS, OF_A_ROUTE};
pub use template::PathTemplate;

use super::cors::CorsSettings;

/// An entry of `routes`. What it leaves out of `defaults` stands in it already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSettings {
    /// `name`: in logs and metrics.
    pub name: String,
    /// `hosts`: which hosts; empty: all.
    pub hosts: Vec<HostPattern>,
    /// `path`: which paths.
    pub path: PathPattern,
    /// `methods`: which methods; empty: all. `GET` speaks for `HEAD`.
    pub methods: Vec<Method>,
    /// `headers`: what headers must say, each of them.
    pub headers: Vec<HeaderCondition>,
    /// `to`: where requests go.
    pub to: EndpointUrl,
    /// `strip-prefix`, `rewrite`, `prefix`: what becomes of the path.
    pub rewrite: RewriteSettings,
    /// `preserve-host`: whether the upstream sees the host that the caller named.
    pub preserves_host: bool,
    /// `set-headers`: what requests bear in addition.
    pub set_headers: Vec<(HeaderName, HeaderValue)>,
    /// `remove-response-headers`: what of the upstream's responses is not handed on.
    pub removed_response_headers: Vec<HeaderName>,
    /// `response-headers`: what responses bear in addition.
    pub response_headers: Vec<(HeaderName, HeaderValue)>,
    /// `identity`: whose token is sent.
    pub identity: Identity,
    /// `audience`: whom a token of `service` and `exchange` is for; always there with these.
    pub audience: Option<Audience>,
    /// `token-scope`: what it is asked for; empty: as `internal-token` says.
    pub scope: Scope,
    /// `credential`: the entry of `internal-token.clients` that asks for it.
    pub credential: Option<String>,
    /// `rule`, with what belongs to it: who may call.
    pub rule: Option<RouteRule>,
    /// `rates`: names of entries of `gateway.rates`.
    pub rates: Vec<String>,
    /// `cors`: which pages of other origins may call; the header fields of the upstream stay as they are without it.
    pub cors: Option<CorsSettings>,
    /// `max-body-bytes`: the longest body of a request.
    pub max_body_bytes: u64,
    /// `websocket`: whether a connection may become one of WebSocket.
    pub websocket: bool,
    /// `timeouts`.
    pub timeouts: TimeoutSettings,
    /// `retry`: when a request is sent again.
    pub retry: RetrySettings,
    /// File, line and column.
    pub written_at: String,
}

/// What a header must say for a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCondition {
    /// Its name.
    pub name: HeaderName,
    /// One of these; any value when it is empty.
    pub values: Vec<HeaderValue>,
}

/// What becomes of the path on the way to the upstream, in this order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RewriteSettings {
    /// `strip-prefix`: so many segments are left out at the beginning.
    pub strip_segments: u32,
    /// `rewrite`: a path of this form takes the place of one of that; others stay.
    pub replacement: Option<PathReplacement>,
    /// `prefix`: stands before the path; without a slash at its end.
    pub prefix: Option<String>,
}

/// `rewrite`: the path takes another form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathReplacement {
    /// `from`: a path pattern with names.
    pub from: PathPattern,
    /// `to`: a path with these names, of which each is in `from` too.
    pub to: PathTemplate,
}

/// `timeouts` of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeoutSettings {
    /// `response-ms`: until the head of the response has come, with all attempts.
    pub response: Duration,
    /// `idle-ms`: the longest pause within a body, of the request or of the response.
    pub idle: Duration,
    /// `stream-idle-ms`: the same of a response that is `text/event-stream`, or of gRPC.
    pub stream_idle: Duration,
    /// `websocket-idle-ms`: the longest pause of a connection that has become one of WebSocket.
    pub websocket_idle: Duration,
    /// `total-ms`: from the request to the end of the response; no limit when `None`.
    pub total: Option<Duration>,
}

impl Default for TimeoutSettings {
    fn default() -> Self {
        Self {
            response: Duration::from_secs(15),
            idle: Duration::from_secs(60),
            stream_idle: Duration::from_secs(600),
            websocket_idle: Duration::from_secs(3_600),
            total: None,
        }
    }
}

impl RouteSettings {
    /// The keys of an entry.
    pub(crate) fn keys() -> &'static [Key] {
        &keys::KEYS
    }

    /// `max-body-bytes` unless it is said: 10 MiB.
    pub const MAX_BODY_BYTES: u64 = 10 * 1024 * 1024;

    /// A route for all hosts and methods of `path`, with every default: the caller's own token goes on (`relay`), and no rule of its own.
    #[must_use]
    pub fn new(name: &str, path: PathPattern, to: EndpointUrl) -> Self {
        Self {
            name: name.to_owned(),
            hosts: Vec::new(),
            path,
            methods: Vec::new(),
            headers: Vec::new(),
            to,
            rewrite: RewriteSettings::default(),
            preserves_host: false,
            set_headers: Vec::new(),
            removed_response_headers: Vec::new(),
            response_headers: Vec::new(),
            identity: Identity::Relay,
            audience: None,
            scope: Scope::empty(),
            credential: None,
            rule: None,
            rates: Vec::new(),
            cors: None,
            max_body_bytes: Self::MAX_BODY_BYTES,
            websocket: true,
            timeouts: TimeoutSettings::default(),
            retry: RetrySettings::default(),
            written_at: String::new(),
        }
    }
}
