//! What the issuer gives to a client, and what its tokens are to this service.

use std::fs;

use super::peers::{changing, saying, silent};
use super::rig::{Estate, closed_port};
use hallpass::token::{Algorithm, JwkSet, SigningKey};

#[test]
fn a_client_that_is_not_taken_and_one_that_may_not_are_told_apart() {
    let estate = Estate::start();
    for (yaml, check, part) in [
        (
            estate.with("client-secret: 0", "client-secret: 1"),
            "credential",
            "(invalid_client)",
        ),
        (
            estate.with("client-id: order-service", "client-id: nobody"),
            "credential",
            "(invalid_client)",
        ),
        (
            estate.with("scope: internal-service", "scope: orders.write"),
            "entitlement",
            "may not have the scope `orders.write` (invalid_scope)",
        ),
        (
            estate.with("audience: service-system", "audience: billing"),
            "entitlement",
            "may not call `billing` (invalid_target)",
        ),
        (
            estate.with("client-id: order-service", "client-id: exchanger"),
            "entitlement",
            "may not get tokens of its own (unauthorized_client)",
        ),
    ] {
        let found = estate.doctor(&yaml);
        found.is(65, &[(check, "failure", part)]);
        assert_eq!(found.outcome("token-verifies"), "skipped", "{found}");
    }
    // All of them are looked at, and which of them it is is said.
    let further = "    scope: internal-service\n    clients: [{ name: second, client-id: nobody, audience: service-system }]\n";
    let found = estate.doctor(&estate.with("    scope: internal-service\n", further));
    found.is(
        65,
        &[("credential", "failure", "the client `nobody` (second)")],
    );
    assert_eq!(found.outcome("token-verifies"), "ok", "{found}");
}

#[test]
fn tokens_that_end_early_are_warned_of() {
    let estate = Estate::start();
    let hasty = estate.with("client-id: order-service", "client-id: hasty");
    let found = estate.doctor(&hasty);
    found.is(
        0,
        &[("token-life", "warning", "are renewed 60 s before their end")],
    );
    let sooner = "client-id: hasty\n    refresh-ahead-seconds: 5";
    let found = estate.doctor(&hasty.replace("client-id: hasty", sooner));
    found.is(
        0,
        &[("token-life", "warning", "`cache-expire-seconds` is 540 s")],
    );
}

#[test]
fn tokens_that_this_service_would_not_take_itself_are_named_with_the_reason() {
    let estate = Estate::start();
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = JwkSet::new([other.public_jwk()]).to_json().to_string();
    fs::write(estate.path().join("other.json"), keys).unwrap();
    let jwks_url = format!("jwks-url: {}", estate.issuer.url("/oauth2/jwks"));
    let internal = "internal: true";
    for (yaml, check, part) in [
        (
            estate.with("issuer: internal", "issuer: service-auth"),
            "issuer-name",
            "say `iss` \"internal\", and `security` expects \"service-auth\"",
        ),
        (
            estate.with(internal, "internal: true\n          algorithms: [RS256]"),
            "algorithm",
            "signed by ES256, which is not accepted of ours",
        ),
        (
            estate.with(&jwks_url, "jwks-file: other.json"),
            "token-key",
            "which is not in the key set of ours",
        ),
        (
            estate.with("audience: service-system", "audience: untyped"),
            "token-verifies",
            "not an access token (typ)",
        ),
    ] {
        let found = estate.doctor(&yaml);
        found.is(65, &[(check, "failure", part)]);
    }
}

#[test]
fn keys_that_are_not_to_be_had_are_named_with_the_reason() {
    let estate = Estate::start();
    fs::write(estate.path().join("none.json"), "{\"keys\":[]}").unwrap();
    let jwks_url = format!("jwks-url: {}", estate.issuer.url("/oauth2/jwks"));
    let nowhere = format!("jwks-url: {}", estate.issuer.url("/oauth2/keys"));
    let page = saying("200 OK\r\ncontent-type: text/html");
    let page = format!("jwks-url: http://{page}/jwks");
    let closed = format!("jwks-url: http://127.0.0.1:{}/jwks", closed_port());
    for (keys, part) in [
        (nowhere.as_str(), "the response is 404 and no key set"),
        (&page, "this is no key set"),
        (&closed, "the connection is refused"),
        ("jwks-file: none.json", "no key of the set can be used"),
        ("jwks-file: absent.json", "absent.json"),
        (
            "jwks-url: lb://service-auth/oauth2/jwks",
            "no instance of `service-auth` is known",
        ),
    ] {
        let found = estate.doctor(&estate.with(&jwks_url, keys));
        found.is(65, &[("key-set", "failure", part)]);
        assert_eq!(found.outcome("credential"), "ok", "{found}");
    }
}

#[test]
fn a_cache_that_holds_old_keys_is_warned_of() {
    let estate = Estate::start();
    let address = estate.issuer.address().to_owned();
    let proxy = changing(&address, |line| {
        match line.strip_prefix("cache-control: ") {
            // The moment at which it was asked is further back by as much.
            Some(value) => format!("cache-control: {value}\r\nage: 100000"),
            None if line.starts_with("date: ") => String::new(),
            None => line.to_owned(),
        }
    });
    let (from, to) = (
        format!("{address}/oauth2/jwks"),
        format!("{proxy}/oauth2/jwks"),
    );
    let found = estate.doctor(&estate.with(&from, &to));
    found.is(
        0,
        &[(
            "key-set-age",
            "warning",
            "gives out a set that is 100000 s old",
        )],
    );
}

#[test]
fn an_issuer_that_is_trusted_and_does_not_give_its_keys_is_named() {
    let estate = Estate::start();
    let issuer = |keys: &str| {
        format!(
            "hallpass:\n  issuer:\n    listen: 127.0.0.1:0\n    store: /nowhere/hallpass.db\n    trusted-issuers:\n      \
             - {{ name: partner, issuer: 'https://partner.example', {keys} }}\n"
        )
    };
    let good = format!("jwks-url: '{}'", estate.issuer.url("/oauth2/jwks"));
    let no_store = ("store", "warning", "is not there yet");
    estate.doctor(&issuer(&good)).is(0, &[no_store]);
    let silent = format!("jwks-url: 'http://{}/jwks'", silent());
    let closed = format!("jwks-url: 'http://127.0.0.1:{}/jwks'", closed_port());
    let nowhere = format!("jwks-url: '{}'", estate.issuer.url("/oauth2/keys"));
    for (keys, part) in [
        (silent.as_str(), "partner, http://127.0.0.1:"),
        (&silent, "no response within"),
        (&closed, "the connection failed"),
        (&nowhere, "the response has the status 404"),
        ("jwks-file: absent.json", "the key file cannot be read"),
        (
            &format!("{good}, tls: {{ ca-file: absent.pem }}"),
            "absent.pem",
        ),
    ] {
        let found = estate.doctor_within(&issuer(keys), "10");
        found.is(65, &[("key-set", "failure", part), no_store]);
    }
}
