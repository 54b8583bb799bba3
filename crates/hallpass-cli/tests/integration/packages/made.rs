//! The files that `deploy/package.sh` makes, once for all tests.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

/// The root of the repository.
pub(crate) fn tree() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A folder with what is released.
pub(crate) struct Made {
    pub(crate) folder: PathBuf,
}

impl Made {
    /// Of this version, whole.
    pub(crate) fn get() -> &'static Self {
        static MADE: OnceLock<Made> = OnceLock::new();
        MADE.get_or_init(|| Self::anew("whole", &[]))
    }

    /// Another time, with further options.
    pub(crate) fn anew(name: &str, options: &[&str]) -> Self {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join("packages")
            .join(name);
        let _not_there = fs::remove_dir_all(&folder);
        let mut make = Command::new(tree().join("deploy/package.sh"));
        make.args([
            "--profile",
            "dev",
            "--executable",
            env!("CARGO_BIN_EXE_hallpass"),
        ]);
        make.arg("--out").arg(&folder).args(options);
        said(&mut make);
        Self { folder }
    }

    /// The one file whose name ends so.
    pub(crate) fn file(&self, ending: &str) -> PathBuf {
        let files = fs::read_dir(&self.folder)
            .unwrap()
            .map(|it| it.unwrap().path());
        let mut found = files.filter(|it| it.to_string_lossy().ends_with(ending));
        found
            .next()
            .unwrap_or_else(|| panic!("no file ends with {ending}"))
    }

    /// The package for Debian; `None`, said loudly, where there is no dpkg.
    pub(crate) fn package(&self) -> Option<PathBuf> {
        match is_installed("dpkg-deb") {
            true => Some(self.file(".deb")),
            false => skip("dpkg-deb is not installed"),
        }
    }
}

/// What takes some hundred megabytes of the disk for a while has them for itself.
pub(crate) fn room() -> MutexGuard<'static, ()> {
    static ROOM: Mutex<()> = Mutex::new(());
    ROOM.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What the program prints when all is well.
#[track_caller]
pub(crate) fn said(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{command:?}:\n{text}\n{errors}");
    text
}

pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program).arg("--version").output().is_ok()
}

/// Says on the standard error of the test run itself, which no test runner keeps back, that something was not tested.
pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    let line = format!("\n!! SKIPPED, a test of what is released: {reason}\n");
    let _unheard = std::io::stderr().write_all(line.as_bytes());
    None
}
