//! The store of an issuer, by its own configuration.

use super::rig::{Estate, closed_port};
use crate::issuer::Running;

/// What an issuer needs, of a store at this place.
fn issuer(at: &str, more: &str) -> String {
    format!("hallpass:\n  issuer:\n    store: {at}\n    listen: 127.0.0.1:0\n{more}")
}

#[test]
fn the_store_of_an_issuer_is_opened_by_its_sealing_key_and_read() {
    let estate = Estate::start();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("hallpass.db");
    let at = store.to_str().unwrap();
    let found = estate.doctor(&issuer(at, ""));
    found.is(0, &[("store", "warning", "is not there yet")]);
    let running = Running::start(folder.path(), &[]);
    let found = estate.doctor(&issuer(at, ""));
    found.is(0, &[]);
    assert_eq!(found.outcome("store"), "ok", "{found}");
    assert_eq!(running.stop(), 0);
    let other = "    key-encryption-key: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n";
    let found = estate.doctor(&issuer(at, other));
    found.is(65, &[("store", "failure", "key")]);
}

#[test]
fn a_database_of_an_issuer_that_does_not_respond_is_named() {
    let estate = Estate::start();
    let database = format!(
        "hallpass:\n  issuer:\n    listen: 127.0.0.1:0\n    database: {{ url: 'postgres://127.0.0.1:{}/hallpass', username: auth, password: x }}\n    \
         key-encryption-key: MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n",
        closed_port()
    );
    let found = estate.doctor(&database);
    found.is(65, &[("store", "failure", "respond")]);
}

#[test]
fn a_store_that_another_process_opens_is_not_called_broken() {
    let estate = Estate::start();
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("hallpass.db");
    let at = store.to_str().unwrap();
    assert_eq!(Running::start(folder.path(), &[]).stop(), 0);
    let lock = std::fs::File::open(format!("{at}.lock")).unwrap();
    lock.lock().unwrap();
    let found = estate.doctor_within(&issuer(at, ""), "5");
    found.is(0, &[("store", "warning", "it is not opened in time")]);
    assert_eq!(found.untried(), ["store"]);
    drop(lock);
    estate.doctor(&issuer(at, "")).is(0, &[]);
}
