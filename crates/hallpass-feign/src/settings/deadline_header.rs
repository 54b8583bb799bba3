//! `deadline-header`: how a callee learns for how long its caller waits.

use std::str::FromStr;

use http::HeaderName;
use http::header::{
    ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, TE, TRAILER,
    TRANSFER_ENCODING, UPGRADE,
};

/// Under which header each request says how much time its caller has left, in whole milliseconds. A request of gRPC says it
/// in its own (`grpc-timeout`) instead.
///
/// ```
/// use hallpass_feign::DeadlineHeader;
///
/// let name = DeadlineHeader::default();
/// assert_eq!(name, "x-request-timeout-ms".parse()?);
/// assert_eq!("none".parse(), Ok(DeadlineHeader::None));
/// assert!("content-length".parse::<DeadlineHeader>().is_err(), "it means something else");
/// # Ok::<(), hallpass_feign::InvalidDeadlineHeader>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DeadlineHeader {
    /// `none`: under none; requests of gRPC do not say it either.
    None,
    /// Under this one. What a method sets itself under this name stays.
    Named(HeaderName),
}

/// `x-request-timeout-ms`, which Hallpass's resource server reads.
impl Default for DeadlineHeader {
    fn default() -> Self {
        Self::Named(HeaderName::from_static("x-request-timeout-ms"))
    }
}

/// No name of a header that can say this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not the name of a header that can say this; write one of your own, or none")]
pub struct InvalidDeadlineHeader;

/// Those that mean something else in each request.
const TAKEN: [HeaderName; 11] = [
    ACCEPT,
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    COOKIE,
    HOST,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

impl FromStr for DeadlineHeader {
    type Err = InvalidDeadlineHeader;

    fn from_str(text: &str) -> Result<Self, InvalidDeadlineHeader> {
        if text == "none" {
            return Ok(Self::None);
        }
        let name = HeaderName::from_str(text).map_err(|_| InvalidDeadlineHeader)?;
        if TAKEN.contains(&name) || name == "dpop" {
            return Err(InvalidDeadlineHeader);
        }
        Ok(Self::Named(name))
    }
}
