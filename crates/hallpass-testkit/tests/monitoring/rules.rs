//! Rules and configurations are good, and each alert fires when it should and not when it should not.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::{deploy, program};

#[test]
fn the_rules_and_the_configuration_of_prometheus_are_good() {
    let Some(mut promtool) = program("promtool") else {
        return;
    };
    let configuration = deploy().join("prometheus/prometheus.yaml");
    let said = succeed(promtool.args(["check", "config"]).arg(configuration));
    // It reads the rules that the configuration names.
    assert!(said.contains("rule files found"), "{said}");
    assert!(!said.contains("duplicate"), "{said}");
}

#[test]
fn the_configuration_of_alertmanager_is_good() {
    let Some(mut amtool) = program("amtool") else {
        return;
    };
    let configuration = deploy().join("prometheus/alertmanager.yaml");
    succeed(amtool.arg("check-config").arg(configuration));
}

#[test]
fn each_alert_fires_for_what_it_is_for_and_for_nothing_else() {
    let Some(mut promtool) = program("promtool") else {
        return;
    };
    let tests = yaml_files(&deploy().join("prometheus/tests"));
    let said = succeed(promtool.args(["test", "rules"]).args(&tests));
    assert_eq!(said.matches("SUCCESS").count(), tests.len(), "{said}");
}

fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    let files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|it| it == "yaml"))
        .collect();
    assert!(!files.is_empty());
    files
}

/// What a program says that must end well.
fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{command:?}:\n{said}");
    said
}
