//! When and from where a request comes.

use std::net::IpAddr;
use std::time::Duration;

use hallpass_token::UnixTime;

/// When and from where an attempt comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) source: Option<IpAddr>,
    pub(crate) now: UnixTime,
    /// For the buckets; never steps back.
    pub(crate) monotonic: Duration,
}
