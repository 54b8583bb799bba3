//! What a call belongs to: where its context and its trace come from.

use std::fmt;
use std::sync::Arc;

use hallpass_client::context::CallContext;
use hallpass_config::Percent;
use hallpass_upstream::{TraceContext, Wish};
use http::HeaderName;

/// Tells which span of another product's trace is current.
#[derive(Clone)]
pub(crate) struct TraceSource(pub(crate) Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>);

/// How the calls of a client go on with what their caller's task belongs to.
#[derive(Clone, Debug)]
pub(crate) struct OriginRules {
    /// How many of those that begin here are sampled.
    pub(crate) sampled: Percent,
    pub(crate) source: Option<TraceSource>,
    /// The header that names the tag of the instances that a call wishes for.
    pub(crate) gray: Option<HeaderName>,
}

impl OriginRules {
    /// What is current, with a span for a call that begins now.
    pub(crate) fn begin(&self) -> Origin {
        let context = CallContext::current();
        let foreign = self.source.as_ref().and_then(TraceSource::current);
        let trace = match foreign.as_ref().or(context.trace()) {
            Some(above) => above.child(),
            None => TraceContext::begin(self.sampled),
        };
        Origin {
            context: context.with_trace(trace),
            source: self.source.clone(),
            gray: self.gray.clone(),
        }
    }
}

/// What a call belongs to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Origin {
    /// As its caller's task had it, with a span of the call's own.
    pub(crate) context: CallContext,
    source: Option<TraceSource>,
    gray: Option<HeaderName>,
}

impl Origin {
    /// Which instances it would rather go to.
    pub(crate) fn wish(&self) -> Wish<'_> {
        let tag = self.gray.as_ref().and_then(|header| {
            let value = self.context.carried().get(header.as_str())?;
            value.to_str().ok()
        });
        tag.map_or_else(Wish::default, Wish::tagged)
    }

    /// The same for an attempt: a span below that of the call, or the one that another product has begun for the call.
    pub(crate) fn of_attempt(&self) -> CallContext {
        let foreign = self.source.as_ref().and_then(TraceSource::current);
        let trace = foreign.or_else(|| self.context.trace().map(TraceContext::child));
        self.context.clone().with_trace(trace)
    }
}

impl TraceSource {
    fn current(&self) -> Option<TraceContext> {
        (self.0)()
    }
}

impl fmt::Debug for TraceSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceSource(..)")
    }
}
