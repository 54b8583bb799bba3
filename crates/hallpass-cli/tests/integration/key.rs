//! `hallpass key`, beside a running issuer and without one.

use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::issuer::Running;
use crate::process::{Outcome, run};

fn key(store: &str, arguments: &[&str]) -> Outcome {
    run(&[&["key"], arguments, &["--store", store]].concat())
}

fn json(store: &str, arguments: &[&str]) -> Value {
    let outcome = key(store, arguments);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Waits until the issuer publishes `number` keys.
fn wait_for_keys(issuer: &Running, number: usize) -> Vec<String> {
    let clock = SystemClock::new();
    let end = clock.monotonic() + Duration::from_secs(5);
    loop {
        let keys = issuer.key_ids();
        if keys.len() == number {
            return keys;
        }
        assert!(clock.monotonic() < end, "{keys:?}");
        thread::park_timeout(Duration::from_millis(20));
    }
}

#[test]
fn a_running_issuer_follows_what_is_done_with_its_keys() {
    let folder = tempfile::tempdir().unwrap();
    let mut issuer = Running::start(folder.path(), &[]);
    let store = folder.path().join("hallpass.db");
    let store = store.to_str().unwrap();
    let old = issuer.key_ids();

    let rotated = key(store, &["rotate"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(rotated.stdout.starts_with("announced"), "{rotated:?}");
    let both = wait_for_keys(&issuer, 2);
    assert_eq!(both[0], old[0], "the one that signs comes first");

    let steps = json(store, &["schedule", "--json"]);
    assert_eq!(steps["steps"][0]["becomes"], "signing", "{steps}");
    assert_eq!(steps["steps"][0]["kid"], both[1].as_str());
    let listed = json(store, &["list", "--json"]);
    // Both were made in one second, so either may come first.
    let mut keys = listed["keys"].as_array().unwrap().iter();
    let signing = keys.find(|key| key["kid"] == old[0].as_str()).unwrap();
    assert_eq!(signing["state"], "signing", "{listed}");
    let text = key(store, &["list"]).stdout;
    assert!(text.contains("announced  ES256"), "{text}");

    let tainted = key(store, &["taint", &old[0]]);
    assert_eq!(tainted.code, 0, "{tainted:?}");
    assert_eq!(wait_for_keys(&issuer, 1), [both[1].clone()]);
    issuer.wait_for_log("a key was withdrawn");
    let exported = json(store, &["export-public"]);
    assert_eq!(exported["keys"][0]["kid"], both[1].as_str());
    assert!(exported["keys"][0].get("d").is_none(), "{exported}");
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn a_taint_says_which_verifiers_the_next_key_did_not_wait_for() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Running::start(folder.path(), &[]);
    let store = folder.path().join("hallpass.db");
    let store = store.to_str().unwrap();
    let old = issuer.key_ids();
    for name in ["order", "billing"] {
        issuer.get(&format!("/oauth2/jwks?verifier={name}"));
    }
    let clock = SystemClock::new();
    let end = clock.monotonic() + Duration::from_secs(30);
    while json(store, &["list", "--json"])["verifiers"]
        .as_array()
        .unwrap()
        .len()
        < 2
    {
        assert!(clock.monotonic() < end, "they are written down");
        thread::park_timeout(Duration::from_millis(200));
    }
    let rotated = key(store, &["rotate", "--when-adopted"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    let tainted = key(store, &["taint", &old[0]]);
    assert_eq!(tainted.code, 0, "{tainted:?}");
    let text = &tainted.stdout;
    assert!(text.contains("signs now"), "{text}");
    assert!(text.contains("2 of 2 known verifiers"), "{text}");
    assert!(text.contains(": billing, order\n"), "{text}");
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn a_store_that_is_not_there_is_named_and_none_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("no.db");
    let store = store.to_str().unwrap();
    for arguments in [
        &["list"][..],
        &["schedule"],
        &["rotate"],
        &["taint", "x"],
        &["export-public"],
    ] {
        let outcome = key(store, arguments);
        assert_eq!(outcome.code, 64, "{outcome:?}");
        assert!(outcome.stderr.contains("does not exist"), "{outcome:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn a_key_that_does_not_exist_is_answered_with_those_that_do() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Running::start(folder.path(), &[]);
    let store = folder.path().join("hallpass.db");
    let outcome = key(store.to_str().unwrap(), &["taint", "-x"]);
    assert_eq!(outcome.code, 64, "{outcome:?}");
    let kid = &issuer.key_ids()[0];
    assert!(outcome.stderr.contains(kid), "{outcome:?}");
    assert_eq!(issuer.stop(), 0);
}
