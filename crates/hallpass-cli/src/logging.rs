//! Logging to standard error, for people or as JSON lines.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use hallpass::{LogGuard, LogWriter};
use tracing_subscriber::EnvFilter;

use crate::log_fields::PlainFields;
use crate::log_time::LogTime;
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

/// Installs the process-wide subscriber; `default` is the filter when the caller names none.
///
/// # Errors
/// A usage failure when the filter cannot be read; a failure when the system gives no thread.
pub(crate) fn install(arguments: &LoggingArguments, default: &str) -> Result<LogGuard, Failure> {
    // An empty variable counts as absent.
    let directives = arguments
        .log
        .as_deref()
        .filter(|text| !text.is_empty())
        .unwrap_or(default);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| Failure::usage(format_args!("--log {directives}: {error}")))?;
    let (writer, guard) = LogWriter::start(io::stderr()).map_err(Failure::failed)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(move || writer.clone());
    let installed = match arguments.log_format {
        LogFormat::Human => builder
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .with_timer(LogTime::default())
            .fmt_fields(PlainFields)
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(Failure::failed)?;
    Ok(guard)
}
