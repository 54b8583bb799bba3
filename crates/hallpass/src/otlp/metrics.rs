//! What becomes of spans.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// How many spans a collector has taken, and how many were lost. Cheap to clone; clones share the numbers.
#[derive(Clone, Debug, Default)]
pub struct OtlpMetrics {
    exported: Counter,
    dropped: Family<DropLabels, Counter>,
}

/// Why a span was lost.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lost {
    /// As many as may were waiting already.
    QueueFull,
    /// The collector was not reached, did not answer in time, or said that it cannot.
    Unreachable,
    /// The collector has taken the message without the span, or refused it for good.
    Refused,
    /// The process ended before.
    Stopped,
}

impl Lost {
    const ALL: [Self; 4] = [
        Self::QueueFull,
        Self::Unreachable,
        Self::Refused,
        Self::Stopped,
    ];

    const fn labels(self) -> DropLabels {
        let reason = match self {
            Self::QueueFull => "queue_full",
            Self::Unreachable => "unreachable",
            Self::Refused => "refused",
            Self::Stopped => "stopped",
        };
        DropLabels { reason }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    reason: &'static str,
}

impl OtlpMetrics {
    /// Adds them to a registry that has no prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_otlp_spans",
            "Spans that the collector has taken",
            self.exported.clone(),
        );
        registry.register(
            "hallpass_otlp_dropped",
            "Spans that were lost on the way to the collector",
            self.dropped.clone(),
        );
    }

    /// Spans that a collector has taken.
    #[must_use]
    pub fn exported(&self) -> u64 {
        self.exported.get()
    }

    /// Spans that were lost, for whatever reason.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let of = |lost: Lost| self.dropped.get_or_create(&lost.labels()).get();
        Lost::ALL.into_iter().map(of).sum()
    }

    pub(super) fn taken(&self, spans: u64) {
        self.exported.inc_by(spans);
    }

    pub(super) fn lost(&self, reason: Lost, spans: u64) {
        if spans > 0 {
            self.dropped.get_or_create(&reason.labels()).inc_by(spans);
        }
    }
}
