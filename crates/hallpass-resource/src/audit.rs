//! One structured event per decision, never with a token in it, and no call that waits for whoever reads it.

mod event;
mod queue;
mod trace;

use std::sync::Arc;

use hallpass_token::UnixTime;
use http::{HeaderMap, Method};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

pub use self::event::AUDIT_TARGET;
use self::event::{Event, Who};
use self::queue::Queue;
use self::trace::TraceParent;
use crate::error::Denial;
use crate::verifier::Verified;

/// Which decisions become audit events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AuditLevel {
    /// `all`: every decision, but those in mode `off`.
    #[default]
    All,
    /// `denials`: what is not simply allowed: `deny`, `would_deny` and the `bypass` of `permit-all`.
    Denials,
}

impl AuditLevel {
    /// The level with that name in configuration; `None` if there is none.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        match name {
            "all" => Some(Self::All),
            "denials" => Some(Self::Denials),
            _ => None,
        }
    }

    fn wants(self, result: &str) -> bool {
        match self {
            Self::All => true,
            Self::Denials => result != "allow",
        }
    }
}

/// What is counted of audit events. Clones share the number.
#[derive(Clone, Debug, Default)]
pub(crate) struct AuditMetrics {
    dropped: Counter,
}

impl AuditMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_audit_dropped",
            "Audit events lost because the reader of the log could not keep up",
            self.dropped.clone(),
        );
    }
}

/// Who is told of decisions, and of which. Clones share the queue, which ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    queue: Arc<Queue<Event>>,
    level: AuditLevel,
}

/// A decision about one call.
#[derive(Debug)]
pub(crate) struct Decision<'a> {
    /// `allow`, `deny`, `would_deny` or `bypass`.
    pub(crate) result: &'static str,
    pub(crate) denial: Option<&'a Denial>,
    pub(crate) mode: &'static str,
    pub(crate) route: &'a Arc<str>,
    /// Which rules were in effect.
    pub(crate) policy: &'a Arc<str>,
    pub(crate) method: &'a Method,
    pub(crate) caller: Option<&'a Verified>,
    pub(crate) headers: &'a HeaderMap,
}

impl Audit {
    /// Starts the thread that writes events; `None` if the system gives none.
    pub(crate) fn start(metrics: &AuditMetrics) -> Option<Self> {
        let queue = Queue::start(metrics.dropped.clone(), |event: Event| event.write()).ok()?;
        Some(Self {
            queue: Arc::new(queue),
            level: AuditLevel::All,
        })
    }

    /// The same queue, for these decisions alone.
    pub(crate) fn at(&self, level: AuditLevel) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            level,
        }
    }

    /// Tells of it, unless nobody wants to know. Never waits. The path is left out on purpose: it may hold personal data, the
    /// route does not.
    pub(crate) fn record(&self, decision: &Decision<'_>, now: UnixTime) {
        let is_read = tracing::enabled!(target: AUDIT_TARGET, tracing::Level::INFO);
        if !is_read || !self.level.wants(decision.result) {
            return;
        }
        self.queue.push(Event {
            at: now,
            result: decision.result,
            denial: decision.denial.cloned(),
            mode: decision.mode,
            route: Arc::clone(decision.route),
            policy: Arc::clone(decision.policy),
            method: event::shortened(decision.method),
            caller: decision.caller.map(Who::of),
            trace: TraceParent::of(decision.headers),
            log: tracing::dispatcher::get_default(Clone::clone),
        });
    }
}
