//! A log in memory, of one thread.

use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

/// What is logged while somebody listens.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

/// Listens until it is dropped.
pub(crate) struct Listening {
    _guard: DefaultGuard,
    /// While there is one subscriber alone, what a line is to a thread without it is remembered for that line: nobody's.
    _another: Dispatch,
}

impl Log {
    /// At `WARN` and above.
    pub(crate) fn listen(&self) -> Listening {
        self.listen_from(tracing::Level::WARN)
    }

    pub(crate) fn listen_from(&self, level: tracing::Level) -> Listening {
        let another = Dispatch::new(tracing_subscriber::registry());
        let writer = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(level)
            .with_ansi(false)
            .with_writer(move || writer.clone());
        Listening {
            _guard: tracing::subscriber::set_default(subscriber.finish()),
            _another: another,
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
