//! Secrets of registered clients and what may stand in their place in the configuration.

use hallpass_config::Loader;
use hallpass_issuer::{ClientSecret, IssuerSettings};

use crate::settings::{load, loader, problems};

const SHA256: &str = "$sha256$d19WLl-yhtYfi3_YW4R5rpimc3JdJqrSdDd9dCEu4Tg";
const ARGON2ID: &str = "$argon2id$v=19$m=19456,t=2,p=1$aGFsbHBhc3MtZGVjb3k$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

#[test]
fn a_digest_stands_in_for_a_secret_and_for_the_one_before_it() {
    let text = format!(
        "hallpass:
  issuer:
    clients:
      - client-id: a
        client-secret-digest: {SHA256}
        previous-client-secret-digest: {ARGON2ID}
        previous-client-secret-until: 2027-01-15T08:00:00Z
"
    );
    let client = &load(&text).clients[0];
    let secrets = client.authentication.secrets().unwrap();
    let previous = secrets.previous.clone().unwrap().secret;
    let (ClientSecret::Digest(now), ClientSecret::Digest(before)) = (&secrets.current, &previous)
    else {
        panic!("two digests")
    };
    assert_eq!(
        (now.to_string(), before.to_string()),
        (SHA256.into(), ARGON2ID.into())
    );
    let effective = loader(&text).load::<IssuerSettings>().unwrap();
    let effective = effective.effective().to_string();
    assert!(
        effective.contains("client-secret-digest: ***"),
        "{effective}"
    );
    assert!(!effective.contains("argon2id$") && !effective.contains("sha256$"));
}

#[test]
fn of_a_secret_and_a_digest_in_two_layers_the_upper_one_counts() {
    let with = |secret: &str| {
        format!("hallpass: {{ issuer: {{ clients: [{{ client-id: a, {secret} }}] }} }}")
    };
    let clear = with("client-secret: in-the-file");
    let digest = with(&format!("client-secret-digest: '{SHA256}'"));
    let read = |loader: Loader| {
        let settings = loader.load::<IssuerSettings>().unwrap().into_settings();
        let secrets = settings.clients[0].authentication.secrets().unwrap();
        match secrets.current.clone() {
            ClientSecret::Clear(secret) => secret.expose().to_owned(),
            ClientSecret::Digest(digest) => digest.to_string(),
        }
    };
    let variable = |name: &str, value: &str| {
        let name = format!("HALLPASS_ISSUER_CLIENTS_0_CLIENT_SECRET{name}");
        [(name, value.to_owned())]
    };
    let over = |text: &str, name, value| read(loader(text).environment(variable(name, value)));
    assert_eq!(over(&clear, "_DIGEST", SHA256), SHA256);
    assert_eq!(
        over(&digest, "", "in-the-environment"),
        "in-the-environment"
    );
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "in-its-file").unwrap();
    let file = file.to_str().unwrap();
    assert_eq!(over(&digest, "_FILE", file), "in-its-file");
    // A later document, such as one of Nacos, replaces the list as a whole.
    for (below, above, secret) in [(&clear, &digest, SHA256), (&digest, &clear, "in-the-file")] {
        assert_eq!(read(loader(below).text("nacos", above)), secret);
    }
    // The secret before is given apart from the present one.
    let old = "HALLPASS_ISSUER_CLIENTS_0_PREVIOUS_CLIENT_SECRET";
    let with_old = loader(&clear).environment([
        (format!("{old}_DIGEST"), SHA256),
        (format!("{old}_UNTIL"), "2027-01-15T08:00:00Z"),
    ]);
    assert_eq!(read(with_old), "in-the-file");
}

#[test]
fn what_springs_password_encoders_write_is_no_secret_and_says_what_to_do() {
    let one =
        |keys: &str| format!("hallpass: {{ issuer: {{ clients: [{{ client-id: a, {keys} }}] }} }}");
    for (keys, key, said) in [
        (
            "client-secret: '{noop}secret'",
            "client-secret",
            "leave it out",
        ),
        (
            "client-secret: '{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe'",
            "client-secret",
            "hallpass client hash",
        ),
        (
            "client-secret-digest: '{bcrypt}$2a$10$dXJ3SW6G7P50lGmMkkmwe'",
            "client-secret-digest",
            "hallpass client hash",
        ),
        (
            "client-secret-digest: '{noop}secret'",
            "client-secret-digest",
            "without `{noop}`",
        ),
        (
            "client-secret: '$sha256$d19WLl-yhtYfi3_YW4R5rpimc3JdJqrSdDd9dCEu4Tg'",
            "client-secret",
            "`-digest`",
        ),
    ] {
        let found = problems(&one(keys));
        assert!(
            found.len() == 1
                && found[0].contains(&format!("clients[0].{key}: "))
                && found[0].contains(said),
            "{found:?}"
        );
        assert!(
            !found[0].contains("dXJ3") && !found[0].contains("noop}s"),
            "{found:?}"
        );
    }
    let spring = ARGON2ID.replace("m=19456", "m=16384");
    let digest = one(&format!(
        "client-secret-digest: '{{argon2@SpringSecurity_v5_8}}{spring}'"
    ));
    assert!(matches!(
        &load(&digest).clients[0].authentication.secrets().unwrap().current,
        ClientSecret::Digest(digest) if digest.to_string() == spring
    ));
}

#[test]
fn a_client_has_its_secret_or_a_digest_that_can_be_checked_and_not_both() {
    let one =
        |keys: &str| format!("hallpass: {{ issuer: {{ clients: [{{ client-id: a, {keys} }}] }} }}");
    let digest = |digest: &str| format!("client-secret-digest: '{digest}'");
    let bomb = ARGON2ID.replace("m=19456", "m=4194304");
    for (keys, key, problem) in [
        (
            digest("plain"),
            "client-secret-digest",
            "must be what `hallpass client hash` prints",
        ),
        (
            digest("$sha256$AAAA"),
            "client-secret-digest",
            "must be what",
        ),
        (digest(&bomb), "client-secret-digest", "m=19456"),
        (
            digest(&ARGON2ID.replace("t=2", "t=4000")),
            "client-secret-digest",
            "t=10",
        ),
        (
            format!("client-secret: x, {}", digest(SHA256)),
            "client-secret-digest",
            "contradicts `client-secret`",
        ),
        (
            format!("client-secret-file: x, {}", digest(SHA256)),
            "client-secret-digest",
            "contradicts `client-secret-file`",
        ),
        (
            format!("secret-kind: generated, {}", digest(ARGON2ID)),
            "secret-kind",
            "a digest is of a chosen secret",
        ),
    ] {
        let found = problems(&one(&keys));
        assert!(
            found.len() == 1
                && found[0].starts_with("1:")
                && found[0].contains(&format!("clients[0].{key}: "))
                && found[0].contains(problem),
            "{found:?}"
        );
    }
}
