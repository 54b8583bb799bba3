use std::cell::RefCell;
use std::io::Write;
use std::sync::Once;

use hallpass_resource::AUDIT_TARGET;
use serde_json::Value;
use tracing::Metadata;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::DynFilterFn;
use tracing_subscriber::layer::SubscriberExt;

static INSTALLED: Once = Once::new();

thread_local! {
    /// What this test's thread has logged, while somebody wants to know.
    static LINES: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// Installs the one subscriber of this test binary, before anything is logged.
///
/// One for the whole process: subscribers that come and go with tests race for the cache of what is enabled.
pub(crate) fn install() {
    INSTALLED.call_once(|| {
        let wanted = |_: &Metadata<'_>, _: &tracing_subscriber::layer::Context<'_, _>| {
            LINES.with_borrow(Option::is_some)
        };
        let lines = tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(|| ThreadLines)
            .with_filter(DynFilterFn::new(wanted));
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(lines))
            .unwrap();
    });
}

/// Everything that this test's thread logs from now on, as JSON lines.
#[derive(Debug)]
pub(crate) struct Log;

impl Log {
    pub(crate) fn capture() -> Self {
        install();
        LINES.set(Some(Vec::new()));
        Self
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(LINES.with_borrow(Clone::clone).unwrap()).unwrap()
    }

    /// The audit events.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let lines = self.text();
        let events = lines
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        events
            .filter(|event| event["target"] == AUDIT_TARGET)
            .collect()
    }
}

struct ThreadLines;

impl Write for ThreadLines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LINES.with_borrow_mut(|lines| {
            if let Some(lines) = lines {
                lines.extend_from_slice(bytes);
            }
        });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
