//! One structured event per decision, never with a token in it, and no call that waits for whoever reads it.

mod event;
mod file;
mod queue;

use std::path::Path;
use std::sync::Arc;

use hallpass_token::{SecurityContext, UnixTime};
use hallpass_upstream::TraceContext;
use http::Method;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;

pub use self::event::AUDIT_TARGET;
use self::event::{Call, Event, Kind, Who};
use self::file::AuditFile;
use self::queue::{About, Queue};
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
            "Audit events lost because the reader of the log could not keep up, or because they could not be written",
            self.dropped.clone(),
        );
    }
}

/// Who is told of decisions, and of which. Clones share the queue, which ends with the last of them.
#[derive(Clone, Debug)]
pub(crate) struct Audit {
    queue: Arc<Queue<Event>>,
    level: AuditLevel,
    file: Option<Arc<Path>>,
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
    /// The span of the call.
    pub(crate) trace: &'a TraceContext,
}

/// A stream that was judged again, and ended or should have been.
#[derive(Debug)]
pub(crate) struct StreamJudged<'a> {
    /// `end` or `would_end`.
    pub(crate) result: &'static str,
    pub(crate) reason: &'static str,
    pub(crate) route: &'a Arc<str>,
    pub(crate) context: &'a SecurityContext,
    pub(crate) issuer_name: &'a Arc<str>,
}

impl Audit {
    /// Starts the thread that writes events; `None` if the system gives none.
    pub(crate) fn start(metrics: &AuditMetrics) -> Option<Self> {
        let mut file = AuditFile::default();
        let write = move |event: Event| event.write(&mut file);
        let queue = Queue::start(metrics.dropped.clone(), write).ok()?;
        Some(Self {
            queue: Arc::new(queue),
            level: AuditLevel::All,
            file: None,
        })
    }

    /// The same queue, for these decisions alone, and with this file beside the log.
    pub(crate) fn by(&self, level: AuditLevel, file: Option<&Path>) -> Self {
        Self {
            queue: Arc::clone(&self.queue),
            level,
            file: file.map(Arc::from),
        }
    }

    /// Tells of it; whether anybody [wants to know](Self::is_wanted), its maker has asked. Never waits. The path is left out on
    /// purpose: it may hold personal data, the route does not.
    pub(crate) fn record(&self, decision: &Decision<'_>, now: UnixTime) {
        let caller = decision.caller;
        self.push(Event {
            kind: Kind::Call,
            at: now,
            result: decision.result,
            reason: decision.denial.map_or("none", Denial::log_code),
            detail: decision.denial.cloned(),
            route: Arc::clone(decision.route),
            call: Some(Call {
                mode: decision.mode,
                policy: Arc::clone(decision.policy),
                method: event::shortened(decision.method),
                trace: decision.trace.clone(),
            }),
            caller: caller.map(|it| Who::of(it.context(), it.shared_issuer_name())),
            log: tracing::dispatcher::get_default(Clone::clone),
            file: self.file.clone(),
        });
    }

    /// The same of a stream.
    pub(crate) fn record_stream(&self, judged: &StreamJudged<'_>, now: UnixTime) {
        if !self.is_wanted(judged.result) {
            return;
        }
        self.push(Event {
            kind: Kind::Stream,
            at: now,
            result: judged.result,
            reason: judged.reason,
            detail: None,
            route: Arc::clone(judged.route),
            call: None,
            caller: Some(Who::of(judged.context, Arc::clone(judged.issuer_name))),
            log: tracing::dispatcher::get_default(Clone::clone),
            file: self.file.clone(),
        });
    }

    fn push(&self, event: Event) {
        let about = match event.caller {
            Some(_) => About::Caller,
            None => About::Nobody,
        };
        self.queue.push(event, about);
    }

    /// Whether anybody wants to know of a decision with this result.
    pub(crate) fn is_wanted(&self, result: &str) -> bool {
        // Whether somebody reads the log is asked last: that costs more than all else here.
        self.level.wants(result)
            && (self.file.is_some()
                || tracing::enabled!(target: AUDIT_TARGET, tracing::Level::INFO))
    }
}
