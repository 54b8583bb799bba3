//! `hallpass client hash`, and an issuer that knows digests only.

use std::fs;
use std::path::Path;

use crate::issuer::Running;
use crate::issuer_secrets::ask_for_token;
use crate::process::{run, run_with};

fn hash(secret: &str) -> String {
    let outcome = run_with(&["client", "hash"], secret.as_bytes());
    assert_eq!((outcome.code, outcome.stderr.as_str()), (0, ""));
    outcome.stdout.trim_end().to_owned()
}

/// Writes clients with digests in place of secrets.
fn write(folder: &Path, clients: &[(&str, &str)]) -> String {
    let mut text = "hallpass:\n  issuer:\n    clients:\n".to_owned();
    for (id, digest) in clients {
        text.push_str(&format!(
            "      - client-id: {id}\n        client-secret-digest: {digest}\n        audiences: [a]\n"
        ));
    }
    let file = folder.join("issuer.yaml");
    fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

#[test]
fn an_issuer_that_knows_digests_only_takes_the_secrets_and_a_reload_changes_them() {
    let folder = tempfile::tempdir().unwrap();
    let made = run(&["client", "hash", "--generate"]);
    assert_eq!(made.code, 0, "{made:?}");
    let value = |key: &str| {
        let line = made.stdout.lines().find_map(|line| line.strip_prefix(key));
        line.unwrap().to_owned()
    };
    let (generated, digest) = (value("client-secret: "), value("client-secret-digest: "));
    assert_eq!(hash(&generated), digest);
    let chosen = hash("chosen by me\n");
    let file = write(
        folder.path(),
        &[("chosen", &chosen), ("generated", &digest)],
    );
    let checked = run(&["config", "check", &file]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(!checked.stdout.contains("argon2id$") && !checked.stdout.contains("sha256$"));

    let mut issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
    let url = issuer.url("/oauth2/token");
    let ask = |id, secret: &str| ask_for_token(&url, id, secret);
    assert_eq!(ask("generated", &generated), "200");
    assert_eq!(ask("generated", &digest), "401");
    assert_eq!(ask("chosen", "chosen by you"), "401");
    assert_eq!(ask("chosen", "chosen by me"), "200");
    assert_eq!(ask("chosen", &chosen.replace('+', "%2B")), "401");

    write(folder.path(), &[("chosen", &hash("chosen later"))]);
    crate::process::signal(&issuer.child, "HUP");
    issuer.wait_for_log("loaded again");
    assert_eq!(ask("chosen", "chosen by me"), "401");
    assert_eq!(ask("chosen", "chosen later"), "200");
    assert_eq!(ask("generated", &generated), "401");
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn a_secret_is_read_from_a_file_too_and_none_is_refused_without_being_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    let path = file.to_str().unwrap();
    let from_file = ["client", "hash", "--secret-file", path];
    assert_eq!(run(&from_file).code, 64, "there is no such file");
    fs::write(&file, "chosen by me\n").unwrap();
    let outcome = run(&from_file);
    assert_eq!(outcome.code, 0);
    assert!(
        outcome
            .stdout
            .starts_with("$argon2id$v=19$m=19456,t=2,p=1$")
    );
    assert_eq!(outcome.stdout.lines().count(), 1);
    for nothing in [&b""[..], b"\n", b"a secret \xff", &[b'x'; 100_000]] {
        let outcome = run_with(&["client", "hash"], nothing);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (64, ""),
            "{outcome:?}"
        );
        assert!(!outcome.stderr.contains("a secret \u{fffd}") && !outcome.stderr.contains("xxx"));
    }
    let both = run(&["client", "hash", "--generate", "--secret-file", path]);
    assert_eq!(both.code, 64);
}
