//! What the tests share: a clock driven by hand, a scripted issuer, forged tokens, a raw HTTP client.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hallpass_clock::ManualClock;

pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod endpoint;
pub(crate) mod forge;
pub(crate) mod issuer;
pub(crate) mod log;
pub(crate) mod streaming;

pub(crate) use app::{App, AppBuilder};
pub(crate) use client::{RawResponse, get, send};
pub(crate) use forge::Forge;
pub(crate) use issuer::{Behaviour, FakeIssuer};
pub(crate) use log::Log;

/// Wall-clock seconds at which every test begins.
const START: u64 = 1_700_000_000;

/// A clock that stands still until it is driven.
pub(crate) fn test_clock() -> Arc<ManualClock> {
    // Every test begins here.
    log::install();
    Arc::new(ManualClock::at(UNIX_EPOCH + Duration::from_secs(START)))
}
