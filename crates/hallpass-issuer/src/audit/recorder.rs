//! Events as JSON, one a line: what is written is what the log gets, by the same lines of code.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Dispatch, Event, Metadata, Subscriber};

use super::origin::AUDIT_TARGET;

/// Room that is kept for the next line.
const LINE_BYTES: usize = 512;

/// Makes lines of events.
#[derive(Debug)]
pub(super) struct Recorder {
    dispatch: Dispatch,
    line: Arc<Mutex<Vec<u8>>>,
}

impl Recorder {
    pub(super) fn new() -> Self {
        let line = Arc::new(Mutex::new(Vec::with_capacity(LINE_BYTES)));
        Self {
            dispatch: Dispatch::new(Recording(Arc::clone(&line))),
            line,
        }
    }

    /// Hands the line, without its end, of the event that `write` gives to the log to `take`.
    pub(super) fn record(&self, write: impl FnOnce(), take: impl FnOnce(&[u8])) {
        lock(&self.line).clear();
        tracing::dispatcher::with_default(&self.dispatch, write);
        let line = lock(&self.line);
        if !line.is_empty() {
            take(&line);
        }
    }
}

fn lock(line: &Mutex<Vec<u8>>) -> std::sync::MutexGuard<'_, Vec<u8>> {
    line.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What stands in place of the log for one event.
struct Recording(Arc<Mutex<Vec<u8>>>);

impl Subscriber for Recording {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        match self.enabled(metadata) {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == AUDIT_TARGET && metadata.is_event()
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::INFO)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = lock(&self.0);
        line.clear();
        line.push(b'{');
        event.record(&mut Fields(&mut line));
        line.push(b'}');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Writes each field but the text for people.
struct Fields<'l>(&'l mut Vec<u8>);

impl Fields<'_> {
    fn put(&mut self, field: &Field, value: impl serde::Serialize) {
        // The text that is the same for all events of a kind.
        if field.name() == "message" {
            return;
        }
        if self.0.last() != Some(&b'{') {
            self.0.push(b',');
        }
        // Writing into memory does not fail, and texts and numbers are always JSON.
        let _ = serde_json::to_writer(&mut *self.0, field.name());
        self.0.push(b':');
        let _ = serde_json::to_writer(&mut *self.0, &value);
    }
}

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            self.put(field, format_args!("{value:?}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(write: impl FnOnce()) -> String {
        let mut taken = Vec::new();
        Recorder::new().record(write, |line| taken.extend_from_slice(line));
        String::from_utf8(taken).unwrap()
    }

    #[test]
    fn an_event_is_one_line_with_each_field_that_it_has_and_nothing_of_others() {
        let written = line(|| {
            tracing::info!(target: "elsewhere", secret = "x", "another");
            tracing::info!(
                target: AUDIT_TARGET,
                event = "e",
                at = 7_u64,
                active = true,
                tokens = 3_usize,
                source = tracing::field::display(std::net::Ipv4Addr::LOCALHOST),
                absent = None::<&str>,
                odd = "a\"b\n\u{1}",
                "for people"
            );
            tracing::warn!("another");
        });
        let expected = "{\"event\":\"e\",\"at\":7,\"active\":true,\"tokens\":3,\"source\":\"127.0.0.1\",\"odd\":\"a\\\"b\\n\\u0001\"}";
        assert_eq!(written, expected);
    }

    #[test]
    fn what_is_no_event_of_audit_leaves_no_line() {
        assert_eq!(line(|| tracing::info!("another")), "");
        assert_eq!(line(|| {}), "");
    }
}
