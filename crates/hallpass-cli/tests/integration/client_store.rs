//! `hallpass client add`, `list` and the rest, beside a running issuer and without one.

use std::fs;
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};

use crate::issuer::Running;
use crate::process::{Outcome, run};

const BATCH: &str = "hallpass:
  issuer:
    clients:
      - client-id: batch
        scopes: [read]
        audiences: [logistics-service]
        grant-types: [client_credentials, refresh_token]
        refresh-token-life-seconds: 1h
";

struct Store {
    folder: tempfile::TempDir,
}

impl Store {
    fn client(&self, arguments: &[&str]) -> Outcome {
        let store = self.folder.path().join("hallpass.db");
        run(&[
            &["client"],
            arguments,
            &["--store", store.to_str().unwrap()],
        ]
        .concat())
    }

    fn add(&self, text: &str) -> Outcome {
        let file = self.folder.path().join("client.yaml");
        fs::write(&file, text).unwrap();
        self.client(&["add", "--from-file", file.to_str().unwrap()])
    }

    /// What `token get` with this secret ends with.
    fn token(&self, issuer: &Running, secret: &str) -> i32 {
        let file = self.folder.path().join("secret");
        fs::write(&file, secret).unwrap();
        let url = issuer.url("/oauth2/token");
        let known = ["token", "get", "--token-url", &url, "--client-id", "batch"];
        let rest = ["--audience", "logistics-service", "--client-secret-file"];
        run(&[&known[..], &rest, &[file.to_str().unwrap()]].concat()).code
    }
}

/// Waits until it is so, which takes a third of a second.
pub(crate) fn until(what: &str, holds: impl Fn() -> bool) {
    let clock = SystemClock::new();
    let end = clock.monotonic() + Duration::from_secs(30);
    while !holds() {
        assert!(clock.monotonic() < end, "{what}");
        thread::park_timeout(Duration::from_millis(50));
    }
}

#[test]
fn a_client_is_added_beside_a_running_issuer_shown_and_taken_away() {
    let store = Store {
        folder: tempfile::tempdir().unwrap(),
    };
    let issuer = Running::start(store.folder.path(), &[]);
    let added = store.add(BATCH);
    assert_eq!((added.code, added.stderr.as_str()), (0, ""), "{added:?}");
    let secret = added
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("client-secret: "));
    let secret = secret.unwrap();
    until("the client gets tokens", || {
        store.token(&issuer, secret) == 0
    });
    assert_ne!(store.token(&issuer, "wrong"), 0);

    let listed = store.client(&["list"]);
    let lines: Vec<_> = listed.stdout.lines().collect();
    assert_eq!(
        lines,
        [
            "batch  secret; grants client_credentials refresh_token; scopes read; audiences logistics-service; 0 exchange rules",
            "internal-service-client  the first client",
        ]
    );
    assert!(!listed.stdout.contains(secret));

    let again = store.add(BATCH);
    assert_ne!(again.code, 0);
    assert!(
        again
            .stderr
            .contains("client \"batch\": the store has a client of this name"),
        "{again:?}"
    );
    assert_eq!(again.stdout, "", "no secret of a client that is not there");

    assert_eq!(
        store.client(&["remove", "batch"]).stdout,
        "deleted    batch\n"
    );
    until("it gets no more", || store.token(&issuer, secret) != 0);
    let gone = store.client(&["remove", "batch"]);
    assert_eq!(gone.code, 1);
    assert!(
        gone.stderr
            .contains("client \"batch\": the store has no client of this name"),
        "{gone:?}"
    );
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn a_file_that_cannot_be_used_is_told_with_its_lines_and_stores_nothing() {
    let store = Store {
        folder: tempfile::tempdir().unwrap(),
    };
    for (text, problem) in [
        (
            BATCH.replace("scopes", "scoops"),
            "client.yaml:5:9: hallpass.issuer.clients[0].scoops",
        ),
        (
            BATCH.replace("client_credentials, ", ""),
            "no other grant would ever bring",
        ),
        (
            BATCH.replace(
                "        scopes",
                "        client-secret: hunter2hunter2\n        scopes",
            ),
            "a secret is not stored in clear",
        ),
        (
            BATCH.replace("    clients:", "    name: evil\n    clients:"),
            "issuer.name",
        ),
        (
            "hallpass: { issuer: { clients: [] } }".to_owned(),
            "must have one client",
        ),
        (
            "hallpass: { issuer: { clients: [{ client-id: a }, { client-id: b }] } }".to_owned(),
            "must have one client",
        ),
    ] {
        let refused = store.add(&text);
        assert_ne!(refused.code, 0, "{text}");
        assert!(refused.stderr.contains(problem), "{problem}: {refused:?}");
        assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
    let nothing = fs::read_dir(store.folder.path()).unwrap();
    assert_eq!(nothing.count(), 1, "client.yaml and no store");
}

#[test]
fn who_looks_for_clients_where_no_store_is_makes_none() {
    let store = Store {
        folder: tempfile::tempdir().unwrap(),
    };
    for arguments in [&["list"][..], &["remove", "batch"]] {
        let refused = store.client(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (64, ""));
        assert!(
            refused
                .stderr
                .contains("does not exist: name the one of the issuer"),
            "{refused:?}"
        );
    }
    assert_eq!(fs::read_dir(store.folder.path()).unwrap().count(), 0);

    let elsewhere = store.folder.path().join("nowhere/hallpass.db");
    let store = elsewhere.to_str().unwrap();
    let started = run(&["issuer", "--listen", "127.0.0.1:0", "--store", store]);
    assert_eq!(started.code, 1);
    assert!(
        started
            .stderr
            .contains("nowhere: there is no such folder for the store"),
        "{started:?}"
    );
}

#[test]
fn who_looks_for_clients_in_the_wrong_place_is_told_and_no_store_is_made_there() {
    let store = Store {
        folder: tempfile::tempdir().unwrap(),
    };
    for arguments in [&["list"][..], &["remove", "batch"]] {
        let refused = store.client(arguments);
        assert_eq!(refused.code, 64, "{refused:?}");
        assert!(refused.stderr.contains("hallpass.db"), "{refused:?}");
    }
    assert_eq!(fs::read_dir(store.folder.path()).unwrap().count(), 0);
}

#[test]
fn a_token_that_is_bound_to_a_key_is_printed_as_one() {
    let store = Store {
        folder: tempfile::tempdir().unwrap(),
    };
    let issuer = Running::start(store.folder.path(), &[]);
    let added = store.add(BATCH);
    let secret = added
        .stdout
        .lines()
        .find_map(|line| line.strip_prefix("client-secret: "))
        .unwrap();
    until("the client gets tokens", || {
        store.token(&issuer, secret) == 0
    });
    let url = issuer.url("/oauth2/token");
    for (is_bound, expected) in [(true, "DPoP"), (false, "Bearer")] {
        let config = store.folder.path().join("service.yaml");
        let yaml = format!(
            "hallpass: {{ internal-token: {{ token-url: '{url}', client-id: batch, client-secret: '{secret}', dpop: {is_bound} }} }}"
        );
        fs::write(&config, yaml).unwrap();
        let known = ["token", "get", "--json", "--audience", "logistics-service"];
        let config = ["--config", config.to_str().unwrap()];
        let printed = run(&[&known[..], &config].concat());
        assert_eq!(printed.code, 0, "{printed:?}");
        assert_eq!(printed.json()["token_type"], expected);
    }
    assert_eq!(issuer.stop(), 0);
}

fn secret_of(shown: &Outcome) -> String {
    let mut lines = shown.stdout.lines();
    let secret = lines.find_map(|line| line.strip_prefix("client-secret: "));
    secret.unwrap_or_else(|| panic!("{shown:?}")).to_owned()
}

#[test]
fn a_secret_is_rotated_a_client_is_disabled_and_enabled_and_no_secret_is_shown_twice() {
    let store = Store {
        folder: tempfile::tempdir().unwrap(),
    };
    let issuer = Running::start(store.folder.path(), &[]);
    let old = secret_of(&store.add(BATCH));
    let rotated = store.client(&["rotate-secret", "batch", "--overlap", "2h"]);
    assert_eq!(rotated.code, 0, "{rotated:?}");
    let new = secret_of(&rotated);
    assert!(
        rotated.stdout.ends_with("rotated    batch\n"),
        "{rotated:?}"
    );
    until("the new secret counts", || store.token(&issuer, &new) == 0);
    assert_eq!(store.token(&issuer, &old), 0, "and the old one beside it");
    let third = store.client(&["rotate-secret", "batch"]);
    assert_eq!((third.code, third.stdout.as_str()), (1, ""));
    assert!(third.stderr.contains("--end-previous"), "{third:?}");
    let last = store.client(&[
        "rotate-secret",
        "batch",
        "--overlap",
        "0s",
        "--end-previous",
        "--json",
    ]);
    let last = last.json()["client_secret"].as_str().unwrap().to_owned();
    until("the others have ended", || store.token(&issuer, &new) != 0);
    assert_ne!(store.token(&issuer, &old), 0);
    assert_eq!(store.token(&issuer, &last), 0);

    assert_eq!(
        store.client(&["disable", "batch"]).stdout,
        "disabled   batch\n  enabled: (default) -> false\n"
    );
    until("it gets no more", || store.token(&issuer, &last) != 0);
    let listed = store.client(&["list"]).stdout;
    assert!(listed.contains("batch  disabled, secret;"), "{listed}");
    let shown = store.client(&["show", "batch", "--json"]).json();
    assert_eq!(
        (&shown["enabled"], &shown["registration"]["scopes"][0]),
        (&false.into(), &"read".into())
    );
    // It is disabled already; what it might still have ends all the same.
    let again = store.client(&["disable", "batch", "--json"]).json();
    assert_eq!(again["done"], "disabled");
    let again = store.client(&["disable", "batch", "--keep-tokens", "--json"]);
    assert_eq!(again.json()["done"], "unchanged");
    assert_eq!(store.client(&["enable", "batch"]).code, 0);
    until("it gets tokens again", || store.token(&issuer, &last) == 0);
    for arguments in [
        &["list"][..],
        &["show", "batch"],
        &["export"],
        &["export", "--with-digests"],
        &["list", "--json"],
    ] {
        let shown = store.client(arguments);
        assert_eq!(shown.code, 0, "{shown:?}");
        for secret in [&old, &new, &last] {
            assert!(!shown.stdout.contains(secret.as_str()), "{shown:?}");
        }
    }
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn what_is_exported_is_registered_elsewhere_and_a_stale_revision_changes_nothing() {
    let store = Store {
        folder: tempfile::tempdir().unwrap(),
    };
    let secret = secret_of(&store.add(BATCH));
    let revision = store.client(&["show", "batch", "--json"]).json()["revision"].clone();
    let revision = revision.as_str().unwrap().to_owned();
    let exported = store.client(&["export", "batch"]).stdout;
    assert_eq!(
        exported,
        "hallpass:\n  issuer:\n    clients:\n      - client-id: batch\n        audiences: [logistics-service]\n        grant-types: \
         [client_credentials, refresh_token]\n        refresh-token-life-seconds: 3600\n        scopes: [read]\n"
    );
    let file = store.folder.path().join("exported.yaml");
    fs::write(&file, exported.replace("[read]", "[read, write]")).unwrap();
    let file = file.to_str().unwrap();
    let set = store.client(&["set", "--from-file", file, "--if-revision", &revision]);
    assert_eq!(
        set.stdout,
        "changed    batch\n  scopes: [\"read\"] -> [\"read\",\"write\"]\n"
    );
    let stale = store.client(&["set", "--from-file", file, "--if-revision", &revision]);
    assert_eq!((stale.code, stale.stdout.as_str()), (1, ""));
    assert!(
        stale.stderr.contains("somebody else has changed it"),
        "{stale:?}"
    );

    let digests = store.client(&["export", "batch", "--with-digests"]).stdout;
    let other = Store {
        folder: tempfile::tempdir().unwrap(),
    };
    let issuer = Running::start(other.folder.path(), &[]);
    assert_eq!(other.add(&digests).stdout, "client-id:     batch\n");
    until("the secret counts there", || {
        other.token(&issuer, &secret) == 0
    });
    assert_eq!(issuer.stop(), 0);
}
