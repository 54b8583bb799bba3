use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, Once};
use std::time::Duration;

use hallpass_resource::AUDIT_TARGET;
use serde_json::Value;
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Metadata};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::{Context, SubscriberExt};

static INSTALLED: Once = Once::new();

/// Installs a subscriber for this test binary that takes nothing, before anything is logged.
///
/// Subscribers that come and go with tests race for the cache of what is enabled: this one, which may want anything at any time,
/// keeps that from ever saying "never".
pub(crate) fn install() {
    INSTALLED.call_once(|| {
        let wanted = |_: &Metadata<'_>, _: &Context<'_, _>| false;
        let nothing = tracing_subscriber::fmt::layer().with_filter(DynFilterFn::new(wanted));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(nothing))
            .unwrap();
    });
}

/// Everything that this test's thread logs from now on, as JSON lines, with the audit events of the calls that it judges.
#[derive(Debug)]
pub(crate) struct Log {
    lines: Lines,
    _capture: DefaultGuard,
}

#[derive(Clone, Debug, Default)]
struct Lines(Arc<(Mutex<Vec<u8>>, Condvar)>);

impl Log {
    pub(crate) fn capture() -> Self {
        install();
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(move || writer.clone());
        let log = Dispatch::new(tracing_subscriber::registry().with(layer));
        Self {
            lines,
            _capture: tracing::dispatcher::set_default(&log),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.lines.0.0.lock().unwrap().clone()).unwrap()
    }

    /// The audit events, as soon as there are so many.
    pub(crate) fn audit(&self, count: usize) -> Vec<Value> {
        let (lines, changed) = &*self.lines.0;
        let limit = Duration::from_secs(10);
        let few = |lines: &mut Vec<u8>| audit_events(lines).len() < count;
        let (lines, waited) = changed
            .wait_timeout_while(lines.lock().unwrap(), limit, few)
            .unwrap();
        let events = audit_events(&lines);
        assert!(
            !waited.timed_out(),
            "{count} events are not there: {events:?}"
        );
        events
    }
}

fn audit_events(lines: &[u8]) -> Vec<Value> {
    let lines = lines.split(|byte| *byte == b'\n');
    let events = lines.filter_map(|line| serde_json::from_slice::<Value>(line).ok());
    events
        .filter(|event| event["target"] == AUDIT_TARGET)
        .collect()
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let (lines, changed) = &*self.0;
        lines.lock().unwrap().extend_from_slice(bytes);
        changed.notify_all();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
