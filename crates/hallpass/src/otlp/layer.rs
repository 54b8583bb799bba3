//! The layer of a subscriber that takes spans.

use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::{Context, Filter};
use tracing_subscriber::registry::LookupSpan;

use super::line::Line;
use super::open_span::{OpenSpan, is_ours};

/// Keeps what is exported of each span that [`Wanted`] lets through, and sends it on when the span is over.
#[derive(Debug)]
pub(super) struct SpanLayer {
    line: Arc<Line>,
}

/// Lets spans through while they are exported, and no event: those of the level `INFO` and above, and of ours those of `DEBUG` too (attempts, refused
/// requests, requests to the issuer), which are for this layer rather than for logs.
#[derive(Debug)]
pub(super) struct Wanted {
    line: Arc<Line>,
}

impl SpanLayer {
    pub(super) fn new(line: &Arc<Line>) -> Self {
        let line = Arc::clone(line);
        Self { line }
    }
}

impl Wanted {
    pub(super) fn new(line: &Arc<Line>) -> Self {
        let line = Arc::clone(line);
        Self { line }
    }

    fn wants(&self, metadata: &Metadata<'_>) -> bool {
        let least = match is_ours(metadata) {
            true => Level::DEBUG,
            false => Level::INFO,
        };
        metadata.is_span() && *metadata.level() <= least && self.line.running().is_some()
    }
}

impl<S> Filter<S> for Wanted {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        self.wants(metadata)
    }

    // Asked again once spans are exported: who starts that has the answers forgotten.
    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.wants(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        match self.line.running() {
            Some(_) => Some(LevelFilter::DEBUG),
            None => Some(LevelFilter::OFF),
        }
    }
}

impl<S> Layer<S> for SpanLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let (Some(running), Some(span)) = (self.line.running(), context.span(id)) else {
            return;
        };
        let around = span.parent();
        let around = around.and_then(|it| it.extensions().get().and_then(OpenSpan::ids));
        let mut open = OpenSpan::begin(span.metadata(), running.now(), around);
        attributes.record(&mut open.recorder(&running.attributes));
        // Where a second layer stands beside this one, each span is exported by one of them.
        let _of_the_other = span.extensions_mut().replace(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let (Some(running), Some(span)) = (self.line.running(), context.span(id)) else {
            return;
        };
        if let Some(open) = span.extensions_mut().get_mut::<OpenSpan>() {
            values.record(&mut open.recorder(&running.attributes));
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let (Some(running), Some(span)) = (self.line.running(), context.span(&id)) else {
            return;
        };
        let open: Option<OpenSpan> = span.extensions_mut().remove();
        if let Some(finished) = open.and_then(|open| open.end(running.monotonic())) {
            self.line.send(running, finished);
        }
    }
}
