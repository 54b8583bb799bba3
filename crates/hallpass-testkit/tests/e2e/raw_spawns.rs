//! The clippy configuration for users finds every raw spawn, and nothing else.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const FIXTURE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/raw_spawns");
const CONFIGURATION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy/clippy");

fn clippy() -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.arg("clippy").current_dir(FIXTURE);
    cargo
}

/// The lines that clippy complains of, by number.
fn findings(messages: &str) -> BTreeSet<u64> {
    let messages = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|it| it["message"]["code"]["code"] == "clippy::disallowed_methods")
        .map(|it| {
            let message = it["message"]["message"].as_str().unwrap();
            assert!(message.contains("use of a disallowed method"), "{message}");
            it["message"]["spans"][0]["line_start"].as_u64().unwrap()
        })
        .collect()
}

#[test]
fn raw_spawns_are_caught() {
    let version = clippy().arg("--version").output();
    if !version.is_ok_and(|it| it.status.success()) {
        eprintln!("SKIPPED: raw_spawns_are_caught, since cargo has no clippy here");
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("raw_spawns");
    let output = clippy()
        .args(["--offline", "--locked", "--message-format=json"])
        .arg("--target-dir")
        .arg(target)
        .env("CLIPPY_CONF_DIR", CONFIGURATION)
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(
        !errors.contains("clippy.toml"),
        "a path of the configuration: {errors}"
    );
    let source = std::fs::read_to_string(format!("{FIXTURE}/src/lib.rs")).unwrap();
    let marked = source.lines().zip(1..);
    let marked: BTreeSet<u64> = marked
        .filter_map(|(line, number)| line.ends_with("// caught").then_some(number))
        .collect();
    assert!(marked.len() > 15);
    assert_eq!(findings(&String::from_utf8(output.stdout).unwrap()), marked);
}
