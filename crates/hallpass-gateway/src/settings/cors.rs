//! `cors`: which pages of other origins may call.

use std::time::Duration;

use http::{HeaderName, Method};

/// `cors`: which pages of other origins browsers let call (the CORS protocol of the Fetch standard).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorsSettings {
    /// `origins`: the origins of those pages.
    pub origins: CorsOrigins,
    /// `methods`: what they may use beside `GET`, `HEAD` and `POST`, which browsers always allow.
    pub methods: Vec<Method>,
    /// `headers`: which headers they may set.
    pub headers: Vec<HeaderName>,
    /// `expose`: which headers of responses they may read.
    pub expose: Vec<HeaderName>,
    /// `credentials`: whether browsers send cookies and client certificates along.
    pub has_credentials: bool,
    /// `max-age-seconds`: how long browsers remember a preflight.
    pub max_age: Duration,
}

/// The origins of `cors`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CorsOrigins {
    /// `*`: every one; not with credentials.
    Any,
    /// These.
    These(Vec<OriginPattern>),
}

/// One origin, as browsers write it in `Origin`: scheme, host and, unless it is the scheme's own, port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginPattern {
    /// `https://`; in lower case.
    pub(crate) scheme: String,
    /// `shop.example`, `shop.example:8443`; in lower case.
    pub(crate) authority: String,
    /// Whether it stands for all below it (`https://*.shop.example`), and not for itself.
    pub(crate) is_below: bool,
}
