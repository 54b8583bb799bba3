//! `hallpass revoke`, beside a running issuer and without one.

use std::io::{BufRead as _, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::token::{RevocationDigest, RevocationKind};

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
fn what_the_running_issuer_would_never_see_is_not_said_to_be_done() {
    let folder = tempfile::tempdir().unwrap();
    let mut issuer = Running::start(folder.path(), &[]);
    let path = folder.path().join("hallpass.db");
    let store = path.to_str().unwrap();
    let aside = folder.path().join("aside.db");
    std::fs::rename(&path, &aside).unwrap();
    for is_replaced in [false, true] {
        if is_replaced {
            std::fs::copy(&aside, &path).unwrap();
        }
        let rotated = run(&["key", "rotate", "--store", store]);
        for outcome in [revoke(store, &["--client", "order-service"]), rotated] {
            assert_eq!(
                (outcome.code, outcome.stdout.as_str()),
                (1, ""),
                "{outcome:?}"
            );
            assert!(outcome.stderr.contains("restart it"), "{outcome:?}");
        }
    }
    issuer.wait_for_log("the file was replaced or is gone since the start");
    assert_eq!(issuer.metric("store_in_place"), "0");
    assert_eq!(issuer.stop(), 0);
    let outcome = revoke(store, &["--client", "order-service"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
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
fn a_name_that_nobody_knows_is_revoked_with_a_warning_and_the_list_shows_what_counts() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("issuer.yaml");
    let yaml = "hallpass:\n  issuer:\n    store: hallpass.db\n    clients:\n      - { client-id: order-service, \
                client-secret: hallpass_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8, audiences: [a] }\n";
    std::fs::write(&config, yaml).unwrap();
    let config = ["--config", config.to_str().unwrap()];
    let issuer = Running::start(folder.path(), &config);
    let shown = || run(&[&["revocations"], &config[..]].concat());
    assert_eq!(shown().stdout.trim(), "nothing is revoked");
    let revoke = |arguments: &[&str]| {
        let outcome = run(&[&["revoke"], arguments, &config].concat());
        assert_eq!(outcome.code, 0, "{outcome:?}");
        outcome.stdout
    };
    let end = ["--until", "2999-12-31T18:00:00Z"];
    for (kind, name) in [
        ("--client", "order-servise"),
        ("--subject", "order_services"),
    ] {
        let said = revoke(&[&[kind, name], &end[..]].concat());
        assert!(said.contains("Warning: there is no such client"), "{said}");
        assert!(said.contains("Near to it: order-service."), "{said}");
    }
    let far = revoke(&["--key", "nobodys"]);
    assert!(
        far.contains("no such key") && !far.contains("Near"),
        "{far}"
    );
    let known = revoke(&[&["--client", "order-service", "--only-issued"], &end[..]].concat());
    assert!(!known.contains("Warning"), "{known}");
    let token = revoke(&["--token-id", "jti", "--until", "2999-12-30T18:00:00Z"]);
    assert!(!token.contains("Warning"), "{token}");

    let text = shown().stdout;
    let line = text
        .lines()
        .find(|line| line.contains(" order-service "))
        .unwrap();
    assert!(line.starts_with("client "), "{line}");
    assert!(
        line.contains("until 2999-12-31T18:00:00Z  issued before 2"),
        "{line}"
    );
    let list = run(&[&["revocations", "--json"], &config[..]].concat()).json();
    let list = list["revocations"].as_array().unwrap().clone();
    assert_eq!(list.len(), 5, "{list:?}");
    let of = |kind: &str, name: &str| {
        let digest = match kind {
            "token" => RevocationDigest::new(RevocationKind::Token, name),
            _ => RevocationDigest::new(RevocationKind::Client, name),
        };
        let found = list.iter().find(|it| it["digest"] == digest.to_string());
        found.unwrap().clone()
    };
    assert_eq!(of("client", "order-service")["name"], "order-service");
    assert_eq!(of("client", "order-servise").get("name"), None);
    assert_eq!(of("token", "jti")["until"], "2999-12-30T18:00:00Z");
    let kid = issuer.key_ids().remove(0);
    assert_eq!(
        run(&[&["key", "taint", &kid], &config[..]].concat()).code,
        0
    );
    let text = shown().stdout;
    let tainted = text.lines().find(|line| line.ends_with("tainted")).unwrap();
    assert!(tainted.contains(&kid), "{text}");
    assert_eq!(issuer.stop(), 0);
}

/// What is published on the channel, line by line; `None` where Redis is not installed.
fn subscribe(port: u16) -> Option<(Child, Child, Lines<BufReader<ChildStdout>>)> {
    let port = port.to_string();
    let mut server = Command::new("redis-server");
    server.args(["--port", &port, "--bind", "127.0.0.1", "--save", ""]);
    let server = server.stdout(Stdio::null()).spawn().ok()?;
    let clock = SystemClock::new();
    let end = clock.monotonic() + Duration::from_secs(20);
    let address = format!("127.0.0.1:{port}");
    while std::net::TcpStream::connect(&address).is_err() {
        assert!(clock.monotonic() < end, "no Redis");
        thread::park_timeout(Duration::from_millis(20));
    }
    let mut client = Command::new("redis-cli");
    client.args(["-p", &port, "SUBSCRIBE", "estate:revocations"]);
    let mut client = client.stdout(Stdio::piped()).spawn().ok()?;
    let lines = BufReader::new(client.stdout.take().unwrap()).lines();
    Some((server, client, lines))
}

#[test]
fn an_issuer_with_a_section_redis_says_there_what_is_revoked() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let Some((mut redis, mut client, mut lines)) = subscribe(port) else {
        eprintln!("!! SKIPPED, a test with a real Redis: it is not installed");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("issuer.yaml");
    let yaml = format!(
        "hallpass:\n  redis: {{ port: {port}, key-prefix: 'estate:' }}\n  issuer: {{ store: hallpass.db }}\n"
    );
    std::fs::write(&config, yaml).unwrap();
    let issuer = Running::start(folder.path(), &["--config", config.to_str().unwrap()]);
    assert!(lines.any(|line| line.unwrap() == "subscribe"));
    let store = folder.path().join("hallpass.db");
    let outcome = revoke(store.to_str().unwrap(), &["--token-id", "one"]);
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let digest = RevocationDigest::new(RevocationKind::Token, "one").to_string();
    assert!(lines.any(|line| line.unwrap().contains(&digest)));
    assert_eq!(issuer.stop(), 0);
    for child in [&mut redis, &mut client] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
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
