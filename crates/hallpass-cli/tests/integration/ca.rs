//! `hallpass ca`, beside a running issuer and without one.

use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use serde_json::Value;

use crate::issuer::Running;
use crate::process::{Outcome, run};

fn ca(config: &str, store: &str, arguments: &[&str]) -> Outcome {
    run(&[&["ca"], arguments, &["--config", config, "--store", store]].concat())
}

#[test]
fn a_running_issuer_follows_what_is_done_with_its_authorities() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("issuer.yaml");
    let text = "hallpass: { issuer: { ca: { trust-domain: shop.example } } }";
    std::fs::write(&config, text).unwrap();
    let config = config.to_str().unwrap();
    let issuer = Running::start(folder.path(), &["--config", config]);
    let store = folder.path().join("hallpass.db");
    let store = store.to_str().unwrap();
    let first = issuer.get("/ca/v1/bundle");
    let printed = ca(config, store, &["bundle"]);
    assert_eq!(printed.code, 0, "{printed:?}");
    assert!(first.ends_with(&printed.stdout), "{first}");
    let rotated = ca(config, store, &["rotate"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    assert!(rotated.stdout.starts_with("announced"), "{rotated:?}");
    let clock = SystemClock::new();
    let end = clock.monotonic() + Duration::from_secs(5);
    while issuer.get("/ca/v1/bundle").matches("BEGIN").count() < 2 {
        assert!(clock.monotonic() < end, "the issuer follows");
        thread::park_timeout(Duration::from_millis(20));
    }
    let listed = ca(config, store, &["list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let listed = listed["authorities"].as_array().unwrap();
    let signing = listed.iter().find(|it| it["state"] == "signing").unwrap();
    let id = signing["id"].as_str().unwrap();
    let gone = ca(config, store, &["distrust", id]);
    assert_eq!(gone.code, 0, "{gone:?}");
    assert!(gone.stdout.starts_with("signing"), "{gone:?}");
    let text = ca(config, store, &["list"]).stdout;
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(!text.contains(id), "{text}");
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn without_its_section_there_is_no_authority() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("issuer.yaml");
    std::fs::write(&config, "hallpass: { issuer: {} }").unwrap();
    let store = folder.path().join("no.db");
    for arguments in [&["list"][..], &["rotate"], &["bundle"], &["distrust", "x"]] {
        let outcome = ca(config.to_str().unwrap(), store.to_str().unwrap(), arguments);
        assert_eq!(outcome.code, 64, "{outcome:?}");
        assert!(
            outcome.stderr.contains("`issuer.ca` is missing"),
            "{outcome:?}"
        );
    }
}
