//! `hallpass token get`

use std::fs;
use std::path::Path;

use crate::issuer::Running;
use crate::process::{run, run_with};

#[test]
fn a_token_from_the_issuer_verifies_against_its_key_set() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Running::start(folder.path(), &[]);
    let secret = folder.path().join("secret");
    fs::write(&secret, issuer.shown("client secret").unwrap()).unwrap();
    let token_url = issuer.url("/oauth2/token");
    let get = |secret: &Path, audience: &str| {
        let id = issuer.shown("client id").unwrap();
        let secret = secret.to_str().unwrap();
        let arguments = [
            "--client-id",
            id,
            "--client-secret-file",
            secret,
            "--audience",
            audience,
        ];
        run(&[&["token", "get", "--token-url", &token_url], &arguments[..]].concat())
    };
    let outcome = get(&secret, "service-system");
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome:?}"
    );

    let jwks = issuer.url("/oauth2/jwks");
    let verify = ["token", "verify", "--jwks", &jwks, "--issuer", "internal"];
    let verify = [&verify[..], &["--audience", "service-system", "-"]].concat();
    let verdict = run_with(&verify, outcome.stdout.as_bytes());
    assert_eq!(
        (verdict.code, &verdict.json()["valid"]),
        (0, &true.into()),
        "{verdict:?}"
    );
    assert_eq!(
        verdict.json()["claims"]["client_id"],
        "internal-service-client"
    );

    let outcome = get(&secret, "another-service");
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (1, ""),
        "{outcome:?}"
    );
    fs::write(&secret, "wrong").unwrap();
    let outcome = get(&secret, "service-system");
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (1, ""),
        "{outcome:?}"
    );
    assert!(outcome.stderr.contains("invalid_client"), "{outcome:?}");
}

#[test]
fn token_get_without_a_client_is_bad_usage() {
    for arguments in [
        &["token", "get"][..],
        &["token", "get", "--audience", "a"],
        &["token", "get", "--token-url", "x"],
    ] {
        let outcome = run(arguments);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (64, ""),
            "{outcome:?}"
        );
    }
}
