//! Crates that may not enter the build, as `deny.toml` lists them.
//!
//! `cargo-deny` checks the same list where it is installed; this check needs cargo alone.

use std::collections::BTreeSet;
use std::process::Command;

use toml::{Table, Value};

use crate::assert_tidy;
use crate::tree;

/// Crates that the lock file names although nothing compiles them: cargo locks the optional dependencies
/// that some feature of an upstream crate mentions. What is really compiled is checked apart.
const LOCKED_BUT_NEVER_BUILT: [&str; 1] = ["ring"];

#[test]
fn no_banned_crate_is_locked() {
    let banned = banned(&tree::file("deny.toml").unwrap().text);
    let locked = locked(&tree::file("Cargo.lock").unwrap().text);
    assert!(locked.len() > 50, "the lock file was not understood");
    let mut problems = overlap(&banned, &locked, "Cargo.lock");
    problems.retain(|p| {
        !LOCKED_BUT_NEVER_BUILT
            .iter()
            .any(|name| p.starts_with(name))
    });
    assert_tidy(&problems);
}

#[test]
fn no_banned_crate_is_built() {
    let banned = banned(&tree::file("deny.toml").unwrap().text);
    let built = built();
    assert!(
        built.contains("tokio"),
        "cargo tree was not understood: {built:?}"
    );
    assert_tidy(&overlap(&banned, &built, "what is built"));
}

#[test]
fn crates_come_from_the_public_index_alone() {
    let lock = tree::file("Cargo.lock").unwrap().text;
    assert_tidy(&foreign_sources(&lock));
}

#[test]
fn every_ban_has_a_reason() {
    let rules: Table = tree::file("deny.toml").unwrap().text.parse().unwrap();
    for rule in rules["bans"]["deny"].as_array().unwrap() {
        let reason = rule.get("reason").and_then(Value::as_str);
        assert!(reason.is_some_and(|r| r.len() > 10), "{rule:?}");
    }
}

#[test]
fn a_banned_crate_in_a_lock_file_is_found() {
    let banned = banned("[bans]\ndeny = [{ crate = \"openssl-sys\", reason = \"x\" }]");
    let lock = "[[package]]\nname = \"openssl-sys\"\nversion = \"0.9.1\"\n";
    let problems = overlap(&banned, &locked(lock), "Cargo.lock");
    assert_eq!(problems, ["openssl-sys is banned but stands in Cargo.lock"]);
}

#[test]
fn a_crate_from_a_repository_is_found() {
    let lock =
        "[[package]]\nname = \"x\"\nversion = \"1.0.0\"\nsource = \"git+https://host.example/x\"\n";
    assert_eq!(foreign_sources(lock).len(), 1);
}

fn banned(rules: &str) -> BTreeSet<String> {
    let rules: Table = rules.parse().unwrap_or_default();
    let list = rules.get("bans").and_then(|bans| bans.get("deny"));
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(|rule| rule.get("crate")?.as_str().map(str::to_owned))
        .collect()
}

fn packages(lock: &str) -> Vec<Table> {
    let mut lock: Table = lock.parse().unwrap_or_default();
    match lock.remove("package") {
        Some(Value::Array(packages)) => packages
            .into_iter()
            .filter_map(|package| match package {
                Value::Table(package) => Some(package),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn locked(lock: &str) -> BTreeSet<String> {
    packages(lock)
        .iter()
        .filter_map(|package| package.get("name")?.as_str().map(str::to_owned))
        .collect()
}

fn foreign_sources(lock: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for package in packages(lock) {
        let source = package.get("source").and_then(Value::as_str);
        if source.is_some_and(|source| !source.starts_with("registry+")) {
            problems.push(format!(
                "{:?} does not come from the index",
                package.get("name")
            ));
        }
    }
    problems
}

/// Names of all crates that cargo compiles for this system, for programs, tests and build scripts.
fn built() -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--workspace", "--locked", "--offline"])
        .args(["--edges", "all", "--prefix", "none", "--format", "{p}"])
        .current_dir(tree::root())
        .output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text)
        .lines()
        .filter_map(|line| line.split(' ').next().map(str::to_owned))
        .collect()
}

fn overlap(banned: &BTreeSet<String>, found: &BTreeSet<String>, place: &str) -> Vec<String> {
    banned
        .intersection(found)
        .map(|name| format!("{name} is banned but stands in {place}"))
        .collect()
}
