//! What can go wrong with Redis.

use std::fmt;
use std::sync::Arc;

use hallpass_client::CacheError;
use hallpass_tls::TlsError;
use redis::{ErrorKind, ServerErrorKind};

use crate::address::NodeAddress;

/// Why the tier cannot be made, or why one call to Redis came to nothing. No text of it holds a password, a token or what a
/// server sent beside its error code.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    // The settings.
    /// A file of `redis.ssl` cannot be used.
    #[error("redis.ssl: {0}")]
    Tls(Arc<TlsError>),

    // This process.
    /// There is no connection now; one is being made in the background.
    #[error("not connected")]
    NotConnected,
    /// Too many calls in a row have failed: none is tried for a moment.
    #[error("the breaker is open")]
    BreakerOpen,
    /// There is no tokio runtime here.
    #[error("there is no tokio runtime")]
    NoRuntime,

    // The way to a server.
    /// No response in time.
    #[error("no response in time")]
    TimedOut,
    /// The connection could not be opened, or it ended.
    #[error("{0}")]
    Connection(ConnectionFault),

    /// A server has taken a connection and said nothing on it in time.
    #[error("{0} takes connections and does not respond: it hangs")]
    Stalled(NodeAddress),
    /// The password was not sent: the server is another machine, and the connection is plain TCP.
    #[error("the password was not sent to {0} over plain TCP; see `redis.ssl`")]
    PlainPassword(NodeAddress),

    // The server.
    /// The server refused the call.
    #[error("the server refused with {code}")]
    Refused {
        /// Its error code, such as `NOPERM`.
        code: Box<str>,
    },
    /// The server responded with something else than the protocol says.
    #[error("the server sent an unexpected response")]
    Response,
    /// No sentinel knows a primary of that name.
    #[error("no sentinel names a primary")]
    NoPrimary,
    /// What a sentinel calls the primary is none (any more).
    #[error("{0} is not a primary")]
    NotPrimary(NodeAddress),
    /// No primary of the cluster has this key now.
    #[error("no node of the cluster serves this key")]
    NoNode,
}

/// What happened to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionFault(Box<str>);

impl fmt::Display for ConnectionFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl RedisError {
    /// A connection to `address` that cannot be opened.
    pub(crate) fn connecting(address: &NodeAddress, error: &impl fmt::Display) -> Self {
        let text = format!("no connection to {address}: {error}");
        Self::Connection(ConnectionFault(text.into()))
    }

    /// A connection to `address` whose first commands failed.
    pub(crate) fn greeting(address: &NodeAddress, error: &redis::RedisError) -> Self {
        match Self::from(error.clone()) {
            refused @ (Self::Refused { .. } | Self::Response) => refused,
            other => Self::connecting(address, &other),
        }
    }

    /// Whether the server has responded, be it with a refusal.
    pub(crate) const fn is_response(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Response | Self::NoNode)
    }

    /// Whether the server lacks a right that its administrator can give.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { code } if &**code == "NOPERM")
    }

    /// Whether the server does not take who we are.
    pub(crate) fn is_login(&self) -> bool {
        const CODES: [&str; 2] = ["NOAUTH", "WRONGPASS"];
        matches!(self, Self::Refused { code } if CODES.contains(&&**code))
    }

    /// What tells one trouble from another in the log.
    pub(crate) fn kind(&self) -> &str {
        match self {
            Self::Refused { code } => code,
            Self::Tls(_) => "tls",
            Self::NotConnected => "not connected",
            Self::BreakerOpen => "breaker",
            Self::NoRuntime => "runtime",
            Self::TimedOut => "time",
            Self::Connection(_) | Self::Stalled(_) => "connection",
            Self::PlainPassword(_) => "plain",
            Self::Response => "response",
            Self::NoPrimary => "no primary",
            Self::NotPrimary(_) => "not primary",
            Self::NoNode => "no node",
        }
    }

    /// Whether another server than this one should be asked now.
    pub(crate) fn is_wrong_server(&self) -> bool {
        const CODES: [&str; 6] = [
            "READONLY",
            "MASTERDOWN",
            "LOADING",
            "MOVED",
            "ASK",
            "CLUSTERDOWN",
        ];
        match self {
            Self::Refused { code } => CODES.contains(&&**code),
            Self::NoNode => true,
            _ => false,
        }
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::ResponseError) => {
                Self::Refused { code: "ERR".into() }
            }
            ErrorKind::Server(_) | ErrorKind::Extension => Self::Refused {
                code: code_of(error.code()),
            },
            ErrorKind::AuthenticationFailed => Self::Refused {
                code: code_of(error.code().or(Some("WRONGPASS"))),
            },
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Response,
            _ => Self::Connection(ConnectionFault("the connection ended".into())),
        }
    }
}

/// A code as Redis writes them. Anything else may be a text with more in it than should be shown.
fn code_of(code: Option<&str>) -> Box<str> {
    let is_code =
        |code: &&str| code.len() <= 32 && code.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    code.filter(is_code).unwrap_or("ERR").into()
}

impl From<RedisError> for CacheError {
    fn from(error: RedisError) -> Self {
        Self::new(error)
    }
}
