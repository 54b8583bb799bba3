//! Logging to standard error, for people or as JSON lines.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use hallpass::{LogGuard, LogWriter};
use prometheus_client::registry::Registry;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

use crate::log_fields::PlainFields;
use crate::log_time::LogTime;
use crate::output::Failure;

#[derive(Args, Debug)]
#[command(next_help_heading = "Logging")]
pub(crate) struct LoggingArguments {
    /// What to log, as `level` or `target=level,...`; default `info` for the issuer, authz, the gateway and the sidecar, otherwise `warn`.
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

/// What was installed, until the end of the process: its end waits for the last lines.
#[derive(Debug)]
pub(crate) struct Log {
    lines: LogGuard,
    /// Exports nothing until a server starts it.
    #[cfg(feature = "otlp")]
    pub(crate) otlp: hallpass::otlp::Otlp,
}

impl Log {
    /// Adds what is counted of lines and of spans to a registry that has no prefix.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.lines.register(registry);
        #[cfg(feature = "otlp")]
        self.otlp.metrics().register(registry);
    }

    /// Sends the last spans; for a second at most.
    pub(crate) async fn finish(&self) {
        #[cfg(feature = "otlp")]
        self.otlp.stop().await;
    }
}

/// Installs the process-wide subscriber; `default` is the filter when the caller names none.
///
/// # Errors
/// A usage failure when the filter cannot be read; a failure when the system gives no thread.
pub(crate) fn install(arguments: &LoggingArguments, default: &str) -> Result<Log, Failure> {
    // An empty variable counts as absent.
    let directives = arguments
        .log
        .as_deref()
        .filter(|text| !text.is_empty())
        .unwrap_or(default);
    let filter = EnvFilter::try_new(directives)
        .map_err(|error| Failure::usage(format_args!("--log {directives}: {error}")))?;
    let (writer, lines) = LogWriter::start(io::stderr()).map_err(Failure::failed)?;
    let layer = fmt::layer().with_writer(move || writer.clone());
    // The filter is that of the log alone: an export of spans has its own.
    let layer = match arguments.log_format {
        LogFormat::Human => layer
            .with_ansi(io::stderr().is_terminal())
            .with_target(false)
            .with_timer(LogTime::default())
            .fmt_fields(PlainFields)
            .with_filter(filter)
            .boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_filter(filter).boxed(),
    };
    let subscriber = tracing_subscriber::registry().with(layer);
    #[cfg(feature = "otlp")]
    let otlp = hallpass::otlp::Otlp::new();
    #[cfg(feature = "otlp")]
    let subscriber = subscriber.with(otlp.layer());
    let installed = subscriber.try_init();
    installed.map_err(Failure::failed)?;
    Ok(Log {
        lines,
        #[cfg(feature = "otlp")]
        otlp,
    })
}
