//! `hallpass client hash`, and an issuer that knows digests only.

use std::fs;
use std::path::Path;

use crate::issuer::Running;
use crate::issuer_secrets::ask_for_token;
use crate::process::{command, run, run_with};

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
    for nothing in [
        &b""[..],
        b"\n",
        b"a secret \xff",
        b"two\nlines",
        &[b'x'; 100_000],
    ] {
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

/// A sealed secret for `place`.
fn seal(folder: &Path, place: &str, secret: &str) -> crate::process::Outcome {
    let key = folder.join("seal.key");
    let arguments = ["client", "hash", "--seal", place, "--sealing-key-file"];
    let arguments = [&arguments[..], &[key.to_str().unwrap()]].concat();
    run_with(&arguments, secret.as_bytes())
}

#[test]
fn nobody_has_to_see_a_secret_the_issuer_knows_its_digest_and_the_service_has_it_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("seal.key");
    fs::write(&key, "0123456789abcdef0123456789abcdef\n").unwrap();
    let key = key.to_str().unwrap();
    let place = "internal-token.client-secret";
    let made = ["client", "hash", "--generate", "--seal", place];
    let made = run(&[&made[..], &["--sealing-key-file", key]].concat());
    assert_eq!(made.code, 0, "{made:?}");
    let lines: Vec<&str> = made.stdout.lines().collect();
    let [sealed, digest] = lines[..] else {
        panic!("{made:?}")
    };
    assert!(!made.stdout.contains("hallpass_"), "no secret in clear");
    let digest = digest.strip_prefix("client-secret-digest: ").unwrap();
    write(folder.path(), &[("service-order", digest)]);
    let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
    let service = format!(
        "hallpass:\n  sealing: {{ key-file: seal.key }}\n  internal-token:\n    client-id: service-order\n    {sealed}\n    \
         token-url: {}\n    audience: a\n",
        issuer.url("/oauth2/token")
    );
    let file = folder.path().join("service.yaml");
    fs::write(&file, &service).unwrap();
    let file = file.to_str().unwrap();
    let token = run(&["token", "get", "--config", file]);
    assert_eq!(token.code, 0, "{token:?}");
    let checked = run(&["config", "check", file]);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(!checked.stdout.contains("$sealed$") && checked.stdout.contains("seal.key"));
    // At another place it is worth nothing.
    let (_, value) = sealed.split_once(": ").unwrap();
    let moved = format!("  redis: {{ host: r, password: {value} }}\n");
    fs::write(file, service.replace(sealed, "client-secret: x") + &moved).unwrap();
    let moved = run(&["config", "check", file]);
    assert_eq!(moved.code, 64);
    assert!(moved.stderr.contains("for `redis.password`"), "{moved:?}");
}

#[test]
fn a_secret_is_sealed_for_a_place_that_exists_and_by_a_key_that_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let write_key = |key: &str| fs::write(folder.path().join("seal.key"), key).unwrap();
    write_key("0123456789abcdef0123456789abcdef");
    for place in [
        "internal-token.client-secret",
        "scccy.redis.password",
        "nacos.password",
        "nacos.secret-key",
        "issuer.key-encryption-key",
        "issuer.clients[service-order].client-secret",
        "internal-token.clients[billing].client-secret",
        "orders.database.password",
    ] {
        let sealed = seal(folder.path(), place, "chosen by me\n");
        assert_eq!(sealed.code, 0, "{place}: {sealed:?}");
        assert!(sealed.stdout.starts_with("$sealed$") && sealed.stdout.lines().count() == 1);
    }
    for (place, said) in [
        ("internal-token.client-id", "is no secret"),
        ("internal-token.clients[0].client-secrt", "did you mean"),
        ("internal-token.clients.client-secret", "by its `name`"),
        ("password", "there is no key"),
    ] {
        let refused = seal(folder.path(), place, "chosen by me");
        assert_eq!((refused.code, refused.stdout.as_str()), (64, ""));
        assert!(refused.stderr.contains(said), "{place}: {refused:?}");
    }
    write_key("too short");
    assert_eq!(seal(folder.path(), "nacos.password", "x").code, 64);
    let without_key = ["client", "hash", "--seal", "nacos.password"];
    assert_eq!(run_with(&without_key, b"x").code, 64);
}

#[test]
fn a_random_secret_of_another_program_costs_the_issuer_one_digest() {
    let random = |secret: &[u8]| run_with(&["client", "hash", "--random"], secret);
    let secret = "0123456789abcdef0123456789abcdef";
    let digest = random(secret.as_bytes());
    assert_eq!(digest.code, 0, "{digest:?}");
    let digest = digest.stdout.trim_end();
    assert!(digest.starts_with("$sha256$"), "{digest}");
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), &[("elsewhere", digest)]);
    let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
    let url = issuer.url("/oauth2/token");
    assert_eq!(ask_for_token(&url, "elsewhere", secret), "200");
    assert_eq!(
        ask_for_token(&url, "elsewhere", &secret.replace('0', "1")),
        "401"
    );
    let short = random(b"too short");
    assert_eq!((short.code, short.stdout.as_str()), (64, ""));
}

#[test]
fn a_secret_that_nobody_would_see_is_not_made() {
    let null = fs::File::create("/dev/null").unwrap();
    let status = command(&["client", "hash", "--generate"])
        .stdout(null)
        .status();
    assert_eq!(status.unwrap().code(), Some(74));
}
