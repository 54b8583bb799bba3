//! What the executable returns to its caller: exit codes, standard output, standard error.
//!
//! One place, so that a script can rely on the same meaning under every subcommand:
//!
//! | exit code | meaning |
//! |---|---|
//! | 0 | done; for a check: valid |
//! | 1 | it ran and failed: an issuer that cannot be reached, for instance |
//! | 2 | a plan that was asked for has something to do (`hallpass apply --plan`) |
//! | 64 | bad usage: the command line, a configuration, a key set that cannot be read |
//! | 65 | what was checked does not hold: a token or JWS that is not valid, a request that is refused, a roll-out that is not safe to go on with |
//! | 74 | standard output could not be written (a full disk; a reader that has gone away is not a fault) |

use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;
use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde::Serialize;

/// How long the last message may take to be written.
const REPORT_LIMIT: Duration = Duration::from_secs(2);

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or valid.
    Ok,
    /// It ran and failed.
    Failed,
    /// Planned, and there is something to do.
    Changes,
    /// The command line or something it names cannot be used.
    Usage,
    /// Checked, and not valid.
    NotValid,
    /// Standard output cannot be written.
    Output,
}

impl Exit {
    /// The number of the table above (`sysexits.h` where it has one).
    fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failed => 1,
            Self::Changes => 2,
            Self::Usage => 64,
            Self::NotValid => 65,
            Self::Output => 74,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended early: one message for standard error and the exit code.
///
/// The message never holds a token or a secret.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Failure {
    /// The command line, or something it names, cannot be used (exit 64).
    pub(crate) fn usage(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Usage,
            message: message.to_string(),
        }
    }

    /// The command ran and failed (exit 1).
    pub(crate) fn failed(message: impl fmt::Display) -> Self {
        Self {
            exit: Exit::Failed,
            message: message.to_string(),
        }
    }

    /// A failure of the issuer: 64 when its settings or the given keys are the reason, else 1.
    pub(crate) fn issuer(error: &hallpass_issuer::Error) -> Self {
        use hallpass_issuer::{ClientFault, Error};
        match error {
            Error::IssuerName { .. }
            | Error::Registration { .. }
            | Error::Clients { .. }
            | Error::Client {
                fault: ClientFault::OfConfiguration { .. },
                ..
            }
            | Error::Tls(_)
            | Error::ClientKeys { .. }
            | Error::SealingKeyTooShort { .. }
            | Error::SealingKeyMissing { .. }
            | Error::SealingKeyFile { .. }
            | Error::WrongSealingKey { .. }
            | Error::StoreMissing { .. }
            | Error::StoreNotEmpty { .. }
            | Error::StoreTooNew { .. }
            | Error::Backup { .. }
            | Error::NoSealingKey
            | Error::UnknownKey { .. }
            | Error::TooManyKeys { .. }
            | Error::NoAuthority
            | Error::UnknownAuthority { .. }
            | Error::Revocation { .. }
            | Error::Import { .. }
            | Error::KeyIdTaken { .. } => Self::usage(error),
            Error::FirstClientNotShown { .. } => Self {
                exit: Exit::Output,
                message: error.to_string(),
            },
            _ => Self::failed(error),
        }
    }

    /// Writes the message to standard error and returns the exit code.
    pub(crate) fn report(&self) -> Exit {
        // Whoever reads standard error may have stalled: that must not keep a server from ending.
        let (message, (said, heard)) = (self.message.clone(), mpsc::channel());
        thread::spawn(move || {
            complain(&message);
            let _gone = said.send(());
        });
        let _late = heard.recv_timeout(REPORT_LIMIT);
        self.exit
    }
}

/// Writes lines to standard error; a closed standard error is ignored.
pub(crate) fn complain(message: &str) {
    let mut stderr = io::stderr().lock();
    for line in message.trim_end().lines() {
        if writeln!(stderr, "hallpass: {line}").is_err() {
            return;
        }
    }
}

/// Writes `text` and a line feed to standard output.
///
/// # Errors
/// A failure with exit 74; a reader that has gone away (`| head`) is not one.
pub(crate) fn print_line(text: &str) -> Result<(), Failure> {
    settle(show(text))
}

/// Writes `text`, which must be seen, and a line feed to standard output.
///
/// # Errors
/// What the operating system says; a reader that has gone away too.
fn show(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()
}

/// [`show`] for what is shown this once.
///
/// # Errors
/// As [`show`], and when standard output is closed or goes to the null device: nobody would see it.
pub(crate) fn show_secret(text: &str) -> io::Result<()> {
    if is_null(Path::new("/dev/fd/1")) {
        return Err(io::Error::other(
            "standard output is closed, or goes to /dev/null",
        ));
    }
    show(text)
}

/// [`show_secret`] for a command.
///
/// # Errors
/// A failure with exit 74 in each case where nobody can have seen it.
pub(crate) fn print_secret(text: &str) -> Result<(), Failure> {
    show_secret(text).map_err(|error| unwritten(&error))
}

/// Whether `file` is the null device, which also stands for a descriptor that was closed at the start of this process.
fn is_null(file: &Path) -> bool {
    let device = |file: &Path| {
        let metadata = fs::metadata(file).ok()?;
        metadata
            .file_type()
            .is_char_device()
            .then(|| metadata.rdev())
    };
    device(file).is_some_and(|found| Some(found) == device(Path::new("/dev/null")))
}

/// Writes one JSON object on one line.
///
/// # Errors
/// As [`print_line`].
pub(crate) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value).map_err(|error| Failure {
        exit: Exit::Output,
        message: error.to_string(),
    })?;
    print_line(&text)
}

/// The failure that a write to standard output means for the command, if any.
pub(crate) fn settle(written: io::Result<()>) -> Result<(), Failure> {
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritten(&error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn unwritten(error: &io::Error) -> Failure {
    Failure {
        exit: Exit::Output,
        message: format!("cannot write to standard output: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        assert!(settle(Err(io::ErrorKind::BrokenPipe.into())).is_ok());
    }

    #[test]
    fn a_full_disk_ends_with_its_own_exit_code() {
        let failure = settle(Err(io::ErrorKind::StorageFull.into())).unwrap_err();
        assert_eq!(failure.exit.code(), 74);
    }
}
