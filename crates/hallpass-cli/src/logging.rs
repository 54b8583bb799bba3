//! Logging to standard error, for people or as JSON lines.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;

use crate::command::Command;
use crate::output::Failure;

#[derive(Args, Debug)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingArguments {
    /// What to log, as `level` or `target=level,...`; default `info` for the issuer, `error` for the demo, otherwise `warn`.
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
    /// One readable line an event.
    Human,
    /// One JSON object an event.
    Json,
}

/// Installs the process-wide subscriber.
///
/// # Errors
/// A usage failure when the filter can not be read.
pub(crate) fn install(arguments: &LoggingArguments, command: &Command) -> Result<(), Failure> {
    // An empty variable is no wish.
    let wish = arguments
        .log
        .as_deref()
        .filter(|text| !text.is_empty())
        .unwrap_or_else(|| command.default_log());
    let filter = EnvFilter::try_new(wish)
        .map_err(|error| Failure::usage(format_args!("--log {wish}: {error}")))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    let installed = match arguments.log_format {
        LogFormat::Human => builder
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(Failure::failed)
}
