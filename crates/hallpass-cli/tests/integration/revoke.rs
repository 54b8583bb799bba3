//! `hallpass revoke`, beside a running issuer and without one.

use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};

use crate::issuer::Running;
use crate::process::{Outcome, run};

fn revoke(store: &str, arguments: &[&str]) -> Outcome {
    run(&[&["revoke"], arguments, &["--store", store]].concat())
}

#[test]
fn a_running_issuer_follows_what_is_revoked() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Running::start(folder.path(), &[]);
    let store = folder.path().join("hallpass.db");
    let store = store.to_str().unwrap();
    for (arguments, shown) in [
        (
            &["--client", "order-service", "--for", "1h"][..],
            "revoked    client order-service",
        ),
        (&["--subject", "s", "--only-issued"], "revoked    subject s"),
        (&["--token-id", "-jti"], "revoked    token -jti"),
        (
            &["--key", "-kid", "--until", "2999-12-31T18:00:00Z"],
            "until      2999-12-31T18:00:00Z",
        ),
    ] {
        let outcome = revoke(store, arguments);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        assert!(outcome.stdout.contains(shown), "{outcome:?}");
    }
    let clock = SystemClock::new();
    let end = clock.monotonic() + Duration::from_secs(5);
    loop {
        let list = issuer.get("/oauth2/revocations");
        if list.matches("\"digest\"").count() == 4 {
            assert_eq!(list.matches("issued_before").count(), 1, "{list}");
            break;
        }
        assert!(clock.monotonic() < end, "{list}");
        thread::park_timeout(Duration::from_millis(20));
    }
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn what_was_revoked_before_for_longer_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Running::start(folder.path(), &[]);
    let store = folder.path().join("hallpass.db");
    let store = store.to_str().unwrap();
    let longer = ["--only-issued", "--until", "2999-12-31T18:00:00Z"];
    let first = revoke(store, &[&["--client", "a"], &longer[..]].concat());
    assert!(!first.stdout.contains("no token until"), "{first:?}");
    assert!(!first.stdout.contains("before"), "{first:?}");
    let shorter = ["--client", "a", "--until", "2998-12-31T18:00:00Z"];
    let second = revoke(store, &shorter);
    for said in [
        "until      2999-12-31T18:00:00Z",
        "ends then and not at 2998-12-31T18:00:00Z",
        "It gets no token until then.",
    ] {
        assert!(second.stdout.contains(said), "{second:?}");
    }
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn a_command_that_does_not_say_one_thing_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("no.db");
    let store = store.to_str().unwrap();
    for arguments in [
        &[][..],
        &["--client", "a", "--subject", "b"],
        &["--token-id", "a", "--only-issued"],
        &[
            "--client",
            "a",
            "--for",
            "1h",
            "--until",
            "2999-12-31T18:00:00Z",
        ],
        &["--client", "a", "--for", "soon"],
        &["--client", "a", "--until", "1999-12-31T18:00:00Z"],
        &["--client", "a"],
    ] {
        let outcome = revoke(store, arguments);
        assert_eq!(outcome.code, 64, "{arguments:?}: {outcome:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}
