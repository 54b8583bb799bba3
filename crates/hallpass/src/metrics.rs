//! Everything that a service counts, in one call.

use hallpass_client::ClientMetrics;
#[cfg(feature = "feign")]
use hallpass_feign::FeignMetrics;
#[cfg(feature = "resource")]
use hallpass_resource::ResourceMetrics;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use crate::reload::ReloadMetrics;

/// Everything that one [`Hallpass`](crate::Hallpass) counts: tokens and identities of calls, calls, decisions about
/// callers, reloads. Cheap to clone; clones show the same. `docs/metrics.md` lists every name and label.
///
/// ```
/// use axum::{Router, routing::get};
/// use hallpass::{Hallpass, Settings};
///
/// let hallpass = Hallpass::from_settings(&Settings::default())?;
/// let metrics = hallpass.metrics();
/// assert!(metrics.text().ends_with("# EOF\n"));
/// let app: Router = Router::new().route("/metrics", get(async move || metrics.text()));
/// # let _ = app;
/// # Ok::<(), hallpass::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) tokens: ClientMetrics,
    #[cfg(feature = "feign")]
    pub(crate) feign: FeignMetrics,
    #[cfg(feature = "resource")]
    pub(crate) resource: ResourceMetrics,
    pub(crate) reloads: ReloadMetrics,
}

impl Metrics {
    /// The content type of [`text`](Self::text).
    pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Adds all of them to a registry that has no prefix: for a service that counts something itself.
    pub fn register(&self, registry: &mut Registry) {
        self.tokens.register(registry);
        #[cfg(feature = "feign")]
        self.feign.register(registry);
        #[cfg(feature = "resource")]
        self.resource.register(registry);
        self.reloads.register(registry);
    }

    /// What they show now, as OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut registry = Registry::default();
        self.register(&mut registry);
        let mut text = String::new();
        // Writing into a String does not fail.
        let _written = encode(&mut text, &registry);
        text
    }
}
