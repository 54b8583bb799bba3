//! The programs of Prometheus, where they are installed.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program in the search path. `None`, which is said loudly, where it is not installed.
pub(crate) fn program(name: &str) -> Option<Command> {
    let found = Command::new(name).arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return Some(Command::new(name));
    }
    skip(&format!("{name} is not installed"))
}

/// Says on the standard error of the test run itself, which no test runner keeps back, that nothing was tested.
pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    let line = format!("\n!! SKIPPED, a test of what watches Hallpass: {reason}\n");
    let _unheard = std::io::stderr().write_all(line.as_bytes());
    None
}

/// The folder `deploy`.
pub(crate) fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy")
}
