//! The demonstration: the shop over loopback HTTP, with real tokens.

mod curl;
mod customer;
mod edge;
mod estate;
mod outage;
mod refusals;
mod scene;
mod steady_state;
mod story;
mod table;

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use clap::Parser;
use hallpass::BoxError;
use tracing_subscriber::EnvFilter;

use crate::estate::Estate;

/// Bad usage, as `sysexits.h` has it.
const USAGE: u8 = 64;
/// Standard output cannot be written.
const OUTPUT: u8 = 74;

/// See it work: a shop of real services with real identities on loopback
///
/// Starts an issuer, an identity provider for customers, three services and a gateway on free loopback ports,
/// lets them call one another, and shows each hop. Exits 1 when anything is not as it should be.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Arguments {
    /// End after the last table; without it everything stays up until Ctrl-C, to be called by curl.
    #[arg(long)]
    once: bool,
    /// What to log, as `level` or `target=level,...`; default `error`.
    #[arg(long, value_name = "FILTER", env = "RUST_LOG", hide_env_values = true)]
    log: Option<String>,
}

/// Why the demonstration ended early.
enum Failure {
    /// Something could not be started, or was not as it should be.
    Failed(BoxError),
    /// Standard output cannot be written.
    Output(io::Error),
}

impl From<BoxError> for Failure {
    fn from(error: BoxError) -> Self {
        Self::Failed(error)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // There is nowhere else to report that the terminal cannot be written to.
            let _unwritable = error.print();
            // Help and version exit with 0, everything else is bad usage.
            return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
        }
    };
    if let Err(problem) = install_log(arguments.log.as_deref()) {
        complain(&problem);
        return ExitCode::from(USAGE);
    }
    match play(arguments.once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(error)) => {
            complain(&error);
            ExitCode::FAILURE
        }
        Err(Failure::Output(error)) => {
            complain(&format_args!("cannot write to standard output: {error}"));
            ExitCode::from(OUTPUT)
        }
    }
}

async fn play(once: bool) -> Result<(), Failure> {
    let mut estate = Estate::start().await?;
    let scenes = [
        story::play(&estate).await,
        refusals::play(&estate).await,
        outage::play(&mut estate).await,
        steady_state::play(&estate).await,
        customer::play(&estate).await,
    ];
    let styled = io::stdout().is_terminal();
    let mut unmet = Vec::new();
    for scene in scenes {
        let scene = scene?;
        say(&scene.render(styled))?;
        unmet.extend(scene.unmet);
    }
    if !unmet.is_empty() {
        for problem in &unmet {
            complain(problem);
        }
        let count = unmet.len();
        return Err(Failure::Failed(
            format!("{count} of the demo's expectations not met").into(),
        ));
    }
    say("Everything was as it should be.")?;
    if !once {
        say(&curl::lines(&estate)?)?;
        estate.stay_up().await;
    }
    estate.stop().await?;
    Ok(())
}

/// The demonstration shows its work itself, so little is logged.
fn install_log(filter: Option<&str>) -> Result<(), BoxError> {
    // An empty variable counts as absent.
    let filter = filter.filter(|text| !text.is_empty()).unwrap_or("error");
    let log = tracing_subscriber::fmt()
        .with_env_filter(
            EnvFilter::try_new(filter).map_err(|error| format!("--log {filter}: {error}"))?,
        )
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false);
    log.try_init()
}

/// Writes a line to standard output; a reader that has gone away (`| head`) is not a failure.
fn say(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match writeln!(stdout, "{text}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Writes to standard error; a closed one is ignored.
fn complain(problem: &impl Display) {
    let _unwritable = writeln!(io::stderr(), "demo: {problem}");
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
