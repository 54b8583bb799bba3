//! What the tests share: a clock driven by hand, a scripted issuer, forged tokens, a raw HTTP client.

pub(crate) mod app;
pub(crate) mod client;
pub(crate) mod clock;
pub(crate) mod forge;
pub(crate) mod issuer;
pub(crate) mod log;

pub(crate) use app::{App, AppBuilder};
pub(crate) use client::{RawResponse, get, send};
pub(crate) use clock::test_clock;
pub(crate) use forge::Forge;
pub(crate) use issuer::{Behaviour, FakeIssuer};
pub(crate) use log::Log;
