//! Programs of this workspace that tests start.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// One build at a time.
static BUILDING: Mutex<()> = Mutex::new(());

/// The path of an executable of one of these packages.
///
/// A test run of the whole workspace has built it. A run of this package alone may have not, or may have
/// left an old one: then all of them are built here.
pub(crate) fn built(packages: &[&str], executables: &[&str], name: &str) -> PathBuf {
    let _one_at_a_time = BUILDING.lock().unwrap_or_else(PoisonError::into_inner);
    // target/debug/deps/e2e-... -> target/debug
    let this = std::env::current_exe().unwrap();
    let folder = this.parent().unwrap().parent().unwrap();
    if executables.iter().any(|name| !is_fresh(&folder.join(name))) {
        build(packages);
    }
    folder.join(name)
}

/// Whether the executable is newer than every source that cargo has noted for it.
fn is_fresh(executable: &Path) -> bool {
    let changed = |path: &Path| path.metadata().and_then(|data| data.modified());
    let (Ok(built), Ok(note)) = (
        changed(executable),
        std::fs::read_to_string(executable.with_extension("d")),
    ) else {
        return false;
    };
    let sources = note
        .split_once(": ")
        .map_or("", |(_executable, sources)| sources);
    let mut sources = sources.split_whitespace();
    sources.all(|source| changed(Path::new(source)).is_ok_and(|changed| changed <= built))
}

fn build(packages: &[&str]) {
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet"]);
    for name in packages {
        build.args(["--package", name]);
    }
    assert!(
        build
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .status()
            .unwrap()
            .success()
    );
}
