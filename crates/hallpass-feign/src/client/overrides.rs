//! What the code says about one client.

use std::time::Duration;

use hallpass_upstream::{BreakerSettings, BulkheadSettings, EndpointUrl, Http2, RetrySettings};

use crate::identity::IdentityOverrides;
use crate::interceptor::Interceptors;
use crate::settings::HedgeSettings;

/// What the code says about one client in its builder. It goes over configuration and attribute.
#[derive(Default)]
pub(crate) struct Overrides {
    pub(crate) url: Option<EndpointUrl>,
    pub(crate) identity: IdentityOverrides,
    pub(crate) deadline: Option<Duration>,
    pub(crate) retry: Option<RetrySettings>,
    pub(crate) hedge: Option<HedgeSettings>,
    pub(crate) breaker: Option<BreakerSettings>,
    pub(crate) bulkhead: Option<BulkheadSettings>,
    pub(crate) isolate: Option<bool>,
    pub(crate) max_response_bytes: Option<usize>,
    pub(crate) http2: Option<Http2>,
    pub(crate) interceptors: Interceptors,
}

impl Overrides {
    /// Whether the code chose, for this one client, where and how it calls: then its state goes with it.
    pub(super) const fn change_upstream(&self) -> bool {
        self.url.is_some()
            || self.retry.is_some()
            || self.breaker.is_some()
            || self.bulkhead.is_some()
    }
}
