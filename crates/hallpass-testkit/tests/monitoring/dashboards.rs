//! The dashboards are those that their script makes of Grafana's own schema.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use crate::programs::{deploy, skip};

/// What pip says when it cannot get a package.
const WITHOUT_PACKAGES: [&str; 6] = [
    "ensurepip is not available",
    "Temporary failure in name resolution",
    "No matching distribution found",
    "Connection refused",
    "Read timed out",
    "Network is unreachable",
];

#[test]
fn the_dashboards_are_what_the_script_writes() {
    let Some(mut python) = python() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let grafana = deploy().join("grafana");
    python.arg(grafana.join("dashboards.py")).arg(folder.path());
    let run = python.output().unwrap();
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let (made, kept) = (files(folder.path()), files(&grafana.join("dashboards")));
    assert_eq!(
        made.keys().collect::<Vec<_>>(),
        kept.keys().collect::<Vec<_>>()
    );
    for (name, text) in &made {
        assert!(
            *text == kept[name],
            "deploy/grafana/dashboards/{name} differs: run deploy/grafana/dashboards.py deploy/grafana/dashboards"
        );
    }
}

/// Python with Grafana's schema, below the build's own folder.
fn python() -> Option<Command> {
    let environment = Path::new(env!("CARGO_TARGET_TMPDIR")).join("monitoring/python");
    let python = environment.join("bin/python");
    if !python.exists() {
        prepare(
            Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment),
        )?;
    }
    let mut install = Command::new(&python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "-r",
    ]);
    prepare(install.arg(deploy().join("grafana/requirements.txt")))?;
    Some(Command::new(python))
}

/// `None`, which is said loudly, when something cannot be had here.
fn prepare(step: &mut Command) -> Option<()> {
    let Ok(run) = step.output() else {
        return skip("python3 is not installed");
    };
    if run.status.success() {
        return Some(());
    }
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if WITHOUT_PACKAGES.iter().any(|it| said.contains(it)) {
        return skip(&format!("Python cannot get what it needs: {said}"));
    }
    panic!("{step:?}:\n{said}");
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap());
    files
        .map(|file| {
            let text = std::fs::read_to_string(file.path()).unwrap();
            (file.file_name().to_string_lossy().into_owned(), text)
        })
        .collect()
}
