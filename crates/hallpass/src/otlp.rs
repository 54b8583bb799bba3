//! Spans to a collector of OpenTelemetry, by OTLP over HTTP (protobuf).
//!
//! **Promise.** What is exported is what was sent: the names of trace and spans are those in `traceparent` of requests that came
//! and of calls that were made. A collector that hangs, refuses or is slow delays no call and no stop: spans wait in a queue
//! with a limit, what finds no room is dropped and counted. No token, no secret and no name of a person is in what is sent.
//!
//! **What it does not do.** It exports no metrics (they are for Prometheus to fetch) and no log lines. Spans of your own are exported where they
//! belong to a trace: below a request or a call.
//!
//! ```no_run
//! use hallpass::otlp::Otlp;
//! use hallpass::{Hallpass, Settings, config::Loader};
//! use tracing_subscriber::{EnvFilter, Layer as _, layer::SubscriberExt as _, util::SubscriberInitExt as _};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), hallpass::BoxError> {
//! let otlp = Otlp::new();
//! tracing_subscriber::registry()
//!     // The filter belongs to the log alone: as a layer of its own it would hide spans from the export.
//!     .with(tracing_subscriber::fmt::layer().with_filter(EnvFilter::new("info")))
//!     .with(otlp.layer())
//!     .init();
//! let settings = Loader::new("hallpass").file("application.yaml").load::<Settings>()?.into_settings();
//! // From here on spans are exported, where `telemetry.otlp.endpoint` says so.
//! let hallpass = Hallpass::builder(&settings).otlp(&otlp).build()?;
//! # drop(hallpass);
//! // ... and at the end of the process:
//! otlp.stop().await;
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_upstream::HttpTransport;
use tokio::runtime::Handle;
use tracing::{Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

mod export;
mod layer;
mod line;
mod message;
mod messages;
mod metrics;
mod open_span;
mod settings;

use export::Exporter;
use layer::{SpanLayer, Wanted};
use line::Line;

pub use metrics::OtlpMetrics;
pub use settings::{OtlpSettings, TelemetrySettings};

/// The export of spans: a layer for the subscriber of the process, and what sends to a collector. Cheap to clone; clones are one export.
#[derive(Clone, Debug, Default)]
pub struct Otlp {
    line: Arc<Line>,
}

impl Otlp {
    /// One that exports nothing yet. Its layer costs next to nothing until it does.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The layer that sees the spans, for the subscriber of the process (a registry of `tracing-subscriber`). Filters that stand there as layers of
    /// their own count for it too: give a filter to the layer that writes the log.
    pub fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        SpanLayer::new(&self.line).with_filter(Wanted::new(&self.line))
    }

    /// Begins to export, as `settings` say, in the name of `service` unless `OTEL_SERVICE_NAME` was set: over `transport`, with the times of `clock`.
    /// [`HallpassBuilder::otlp`](crate::HallpassBuilder::otlp) does this for a service. A second start changes nothing.
    ///
    /// Whether a collector is there is not checked: what is wrong with it is said in the log and counted.
    ///
    /// # Errors
    /// [`OutsideRuntime`] where there is no tokio runtime for the task that sends.
    pub fn start(
        &self,
        settings: &OtlpSettings,
        service: &str,
        transport: &HttpTransport,
        clock: &Arc<dyn Clock>,
    ) -> Result<(), OutsideRuntime> {
        let runtime = Handle::try_current().map_err(|_| OutsideRuntime)?;
        let places = settings.max_queued_spans;
        let attributes = settings.attributes.clone();
        let Some(spans) = self.line.open(places, Arc::clone(clock), attributes) else {
            return Ok(());
        };
        let service = settings.service_name.as_deref().unwrap_or(service);
        let exporter = Exporter {
            line: Arc::clone(&self.line),
            settings: settings.clone(),
            transport: transport.clone(),
            resource: message::resource(service),
        };
        runtime.spawn(exporter.run(spans));
        // Who was told before that no span is wanted asks again.
        tracing::callsite::rebuild_interest_cache();
        if !tracing::span_enabled!(Level::DEBUG) {
            tracing::warn!(
                "spans are hidden from the export: the subscriber has no layer for it, or a filter that is not that of the log alone"
            );
        }
        Ok(())
    }

    /// Sends what waits and ends the export. It takes a second at most; next to no time where nothing waits or the collector was not reached last.
    /// What could not be sent is counted.
    pub async fn stop(&self) {
        self.line.stop();
        self.line.ended().await;
    }

    /// What became of the spans.
    #[must_use]
    pub fn metrics(&self) -> &OtlpMetrics {
        &self.line.metrics
    }
}

/// There is no tokio runtime for the task that sends spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("spans are exported by a task, and there is no tokio runtime here")]
#[non_exhaustive]
pub struct OutsideRuntime;

#[cfg(test)]
mod tests;
