//! The `hallpass` executable: every role is a subcommand.
//!
//! One file per command under `command/`; messages and exit codes are in `output`.

mod client_change;
mod command;
mod download;
mod input;
mod issuer_store;
mod key_set;
mod listeners;
mod load;
mod log_fields;
mod log_time;
mod logging;
mod moment;
mod output;
mod readiness;
mod role;
mod rollout;
mod runtime;
mod settings;
mod shown_client;
mod span;
mod store_change;
mod supervisor;
mod token_client;
mod usage;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use mimalloc::MiMalloc;

use crate::command::Command;

/// A request takes some forty pieces of memory, of up to 8 KiB, and gives them back within microseconds. glibc's allocator takes a tenth of the
/// gateway's own time for that, this one less than half of it. Libraries have none: that is for whoever links them to say.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Internal authentication between services: issue, get, relay and verify short-lived tokens.
///
/// Exit codes: 0 done or valid, 1 failed, 64 bad usage or configuration, 65 token not valid,
/// 74 standard output cannot be written.
#[derive(Debug, Parser)]
#[command(name = "hallpass", version, long_version = version::LONG, arg_required_else_help = true)]
struct Arguments {
    #[command(flatten)]
    logging: logging::LoggingArguments,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::explain(&error).into(),
    };
    let log = match logging::install(&arguments.logging, arguments.command.default_log()) {
        Ok(log) => log,
        Err(failure) => return failure.report().into(),
    };
    match arguments.command.run(Arguments::command, &log) {
        Ok(exit) => exit.into(),
        Err(failure) => failure.report().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
