//! A line a request, written by a thread of its own: whoever reads the log may stall, and no request waits for that.

mod line;
mod queue;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;

use crate::error::Error;
use crate::settings::access_log::{AccessLogLevel, AccessLogSettings, AccessLogTarget};
use queue::Lines;

pub(crate) use line::Entry;

/// The access log.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    settings: AccessLogSettings,
    /// `None` where there is nothing to write.
    lines: Option<Arc<Lines>>,
}

impl AccessLog {
    /// Opens what `settings` name. What cannot be written later is counted in `dropped`.
    ///
    /// # Errors
    /// When the file cannot be opened for writing, or no thread can be had.
    fn open(settings: &AccessLogSettings, dropped: &Counter) -> io::Result<Self> {
        let lines = match settings.level {
            AccessLogLevel::Off => None,
            _ => {
                let target: Box<dyn Write + Send> = match &settings.to {
                    AccessLogTarget::Stdout => Box::new(io::stdout()),
                    AccessLogTarget::File(path) => Box::new(append_to(path)?),
                };
                Some(Arc::new(Lines::start(target, dropped.clone())?))
            }
        };
        Ok(Self {
            settings: settings.clone(),
            lines,
        })
    }

    /// Whether it would open. Changes nothing but that a file that is not there is made.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    fn check(settings: &AccessLogSettings) -> io::Result<()> {
        match (settings.level, &settings.to) {
            (AccessLogLevel::Off, _) | (_, AccessLogTarget::Stdout) => Ok(()),
            (_, AccessLogTarget::File(path)) => append_to(path).map(drop),
        }
    }

    /// One that writes nothing.
    pub(crate) fn off() -> Self {
        Self {
            settings: AccessLogSettings {
                level: AccessLogLevel::Off,
                ..AccessLogSettings::default()
            },
            lines: None,
        }
    }

    /// Waits until all lines are written, a second at most. Blocks the thread.
    pub(crate) fn flush(&self) {
        if let Some(lines) = &self.lines {
            lines.flush();
        }
    }

    /// Whether a request that gets `status` has a line.
    pub(crate) fn wants(&self, status: http::StatusCode) -> bool {
        match self.settings.level {
            AccessLogLevel::Off => false,
            AccessLogLevel::Errors => status.as_u16() >= 500,
            AccessLogLevel::Denials => status.as_u16() >= 400,
            AccessLogLevel::All => true,
        }
    }

    /// Whether lines name callers.
    pub(crate) const fn names_callers(&self) -> bool {
        self.settings.has_callers
    }

    /// Whether any request has one: what a line needs of a request has to be kept.
    pub(crate) fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// Writes the line of a request, by and by.
    pub(crate) fn note(&self, entry: &Entry<'_>) {
        if let Some(lines) = self.lines.as_ref().filter(|_| self.wants(entry.status)) {
            lines.push(entry.line(&self.settings));
        }
    }
}

/// Opens it on a thread that may wait for the disk.
///
/// # Errors
/// [`Error::AccessLog`].
pub(crate) async fn open(
    settings: &AccessLogSettings,
    dropped: &Counter,
) -> Result<AccessLog, Error> {
    let (settings, dropped) = (settings.clone(), dropped.clone());
    let opened = tokio::task::spawn_blocking(move || AccessLog::open(&settings, &dropped)).await;
    let opened = opened.unwrap_or_else(|ended| Err(io::Error::other(ended)));
    opened.map_err(Error::AccessLog)
}

/// Whether it would open. Changes nothing but that a file that is not there is made.
///
/// # Errors
/// [`Error::AccessLog`].
pub(crate) async fn check(settings: &AccessLogSettings) -> Result<(), Error> {
    let settings = settings.clone();
    let checked = tokio::task::spawn_blocking(move || AccessLog::check(&settings)).await;
    let checked = checked.unwrap_or_else(|ended| Err(io::Error::other(ended)));
    checked.map_err(Error::AccessLog)
}

fn append_to(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).open(path)
}
