//! Logging to standard error, for people or as JSON lines.
//!
//! A thread of its own writes, and what has come up since its last write in one go: the issuer logs every token
//! that it issues, and neither a system call for each nor a slow reader of the log may hold up its requests.

use std::io::{self, BufWriter, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::EnvFilter;

use crate::output::Failure;

#[derive(Args, Debug)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingArguments {
    /// What to log, as `level` or `target=level,...`; default `info` for the issuer, otherwise `warn`.
    #[arg(
        long,
        global = true,
        value_name = "FILTER",
        env = "RUST_LOG",
        hide_env_values = true
    )]
    log: Option<String>,
    /// How to log.
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Human)]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum LogFormat {
    /// One readable line per event.
    Human,
    /// One JSON object per event.
    Json,
}

/// Lines that may wait for the writing thread. When the queue is full, the thread that logs waits. For the issuer's
/// audit events this is a task with a bounded queue of its own, which counts what it drops.
const MAX_WAITING_LINES: usize = 8_192;

/// Writes what is left when it is dropped, at the end of the process.
#[derive(Debug)]
#[must_use = "without it the log ends at once"]
pub(crate) struct LogGuard {
    _writer: WorkerGuard,
}

/// Installs the process-wide subscriber; `default` is the filter when the caller names none.
///
/// # Errors
/// A usage failure when the filter cannot be read.
pub(crate) fn install(arguments: &LoggingArguments, default: &str) -> Result<LogGuard, Failure> {
    // An empty variable counts as absent.
    let directives = arguments
        .log
        .as_deref()
        .filter(|text| !text.is_empty())
        .unwrap_or(default);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| Failure::usage(format_args!("--log {directives}: {error}")))?;
    let (writer, guard) = NonBlockingBuilder::default()
        .buffered_lines_limit(MAX_WAITING_LINES)
        .lossy(false)
        .thread_name("log")
        .finish(BufWriter::new(io::stderr()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer);
    let installed = match arguments.log_format {
        LogFormat::Human => builder
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(Failure::failed)?;
    Ok(LogGuard { _writer: guard })
}
