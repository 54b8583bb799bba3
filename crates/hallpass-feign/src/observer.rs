//! Who wants to know of each call.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hallpass_client::CallReport;
use hallpass_upstream::Instance;
use http::StatusCode;

use crate::error::FeignError;

/// A call that has ended, as an observer sees it: names and numbers, no values, no token, no body.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FinishedCall {
    /// Name of the client: the service that its trait describes.
    pub client: &'static str,
    /// HTTP verb.
    pub method: &'static str,
    /// Path template.
    pub path: &'static str,
    /// Instance of the last attempt; `None` when none was chosen.
    pub instance: Option<Instance>,
    /// Identity that the last attempt carried; `None` when nothing was sent.
    pub identity: Option<CallReport>,
    /// Status of the last attempt's response; `None` when there was none.
    pub status: Option<StatusCode>,
    /// Attempts, the first included; 0 when the call ended before.
    pub attempts: u32,
    /// Why the method returned an error; `None` when it returned a value (also one of the fallback).
    pub error: Option<FeignError>,
    /// Whether the fallback gave the answer.
    pub fallback: bool,
    /// From the call of the method to its return.
    pub elapsed: Duration,
}

/// Told of each finished call.
#[derive(Clone)]
pub(crate) struct Observer(pub(crate) Arc<dyn Fn(&FinishedCall) + Send + Sync>);

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}
