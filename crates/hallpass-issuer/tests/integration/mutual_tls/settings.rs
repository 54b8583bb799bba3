//! Which certificate a client shows, as the settings say it.

use hallpass_issuer::{ClientAuthentication, ClientKeys};
use hallpass_tls::CertificateName;
use hallpass_token::Thumbprint;
use serde_json::json;

use crate::settings::{load, problems};

const NAMED: &str = "token-endpoint-auth-method: tls_client_auth";
const SELF_SIGNED: &str = "token-endpoint-auth-method: self_signed_tls_client_auth";
const WANT: &str = "client-auth: want, client-ca-file: c";
const ANY: &str = "client-auth: any";

fn text(client_auth: &str, keys: &str) -> String {
    format!(
        "hallpass: {{ issuer: {{ tls: {{ certificate-file: a, private-key-file: b, {client_auth} }}, \
         clients: [{{ client-id: a, {keys} }}] }} }}"
    )
}

#[test]
fn the_name_in_a_certificate_is_read_in_each_of_its_five_kinds() {
    let subject = "CN=a,O=b".parse().unwrap();
    for (key, expected) in [
        ("subject-dn: 'CN=a,O=b'", CertificateName::Subject(subject)),
        (
            "san-dns: a.example",
            CertificateName::Dns("a.example".into()),
        ),
        (
            "san-uri: 'spiffe://x/a'",
            CertificateName::Uri("spiffe://x/a".into()),
        ),
        (
            "san-ip: 10.0.0.1",
            CertificateName::Ip("10.0.0.1".parse().unwrap()),
        ),
        ("san-email: a@b", CertificateName::Email("a@b".into())),
    ] {
        let keys = format!("{NAMED}, tls-client-auth-{key}");
        for client_auth in [WANT, "client-auth: any, client-ca-file: c"] {
            let read = load(&text(client_auth, &keys));
            match &read.clients[0].authentication {
                ClientAuthentication::TlsClientAuth(name) => assert_eq!(*name, expected),
                other => panic!("{other:?}"),
            }
        }
    }
}

#[test]
fn registered_certificates_are_read_as_such_or_as_their_thumbprints() {
    let print = json!(Thumbprint::of_certificate(b"x"));
    let set = json!({"keys": [{"kty": "EC", "x5c": ["eA=="]}, {"x5t#S256": print}]});
    let keys = format!("{SELF_SIGNED}, jwks: '{set}'");
    let read = load(&text(ANY, &keys));
    match &read.clients[0].authentication {
        ClientAuthentication::SelfSignedTlsClientAuth(ClientKeys::Inline(keys)) => {
            assert_eq!(keys.certificates(), [Thumbprint::of_certificate(b"x"); 2]);
        }
        other => panic!("{other:?}"),
    }
}

fn expect_problem(client_auth: &str, keys: &str, expected: &str) {
    let found = problems(&text(client_auth, keys));
    let is_found = found.iter().any(|problem| problem.contains(expected));
    assert!(is_found, "{client_auth} {keys}: {found:?}");
}

#[test]
fn a_name_that_no_certificate_could_have_or_two_are_a_problem() {
    for (keys, expected) in [
        ("", "tls-client-auth-subject-dn: is required"),
        (
            "tls-client-auth-san-dns: a, tls-client-auth-san-uri: b",
            "tls-client-auth-san-uri: contradicts `tls-client-auth-san-dns`",
        ),
        ("tls-client-auth-subject-dn: nobody", "RFC 4514"),
        ("tls-client-auth-san-ip: nobody", "must be an IP address"),
        (
            "tls-client-auth-san-dns: '*.example'",
            "patterns are not known",
        ),
        (
            "tls-client-auth-san-dns: a, client-secret: x",
            "client-secret: is of no use",
        ),
        (
            r#"tls-client-auth-san-dns: a, jwks: '{"keys":[]}'"#,
            "jwks: is of no use",
        ),
    ] {
        expect_problem(WANT, &format!("{NAMED}, {keys}"), expected);
    }
    let beside_a_secret = "client-secret: x, tls-client-auth-san-dns: a";
    expect_problem(
        WANT,
        beside_a_secret,
        "tls-client-auth-san-dns: is of no use",
    );
}

#[test]
fn a_key_set_that_says_of_no_certificate_which_it_is_is_a_problem() {
    expect_problem(ANY, SELF_SIGNED, "jwks: is required");
    let other = Thumbprint([7; 32]);
    for (keys, expected) in [
        (json!([]), "has no certificate"),
        (
            json!([{"x5c": ["eA=="]}, {"kty": "EC"}]),
            "a key without a certificate",
        ),
        (json!([{"x5c": ["eA=="], "d": "x"}]), "a private key"),
        (
            json!([{"x5c": ["eA=="], "x5t#S256": other}]),
            "has no certificate",
        ),
    ] {
        let set = json!({ "keys": keys });
        expect_problem(ANY, &format!("{SELF_SIGNED}, jwks: '{set}'"), expected);
    }
}

#[test]
fn a_listener_that_does_not_ask_or_lets_in_only_others_is_a_problem() {
    let named = format!("{NAMED}, tls-client-auth-san-dns: a");
    let none = "client-auth: none";
    expect_problem(none, &named, "needs `issuer.tls.client-auth`");
    expect_problem(ANY, &named, "with a `client-ca-file`");
    let registered = format!(r#"{SELF_SIGNED}, jwks: '{{"keys":[{{"x5c":["eA=="]}}]}}'"#);
    expect_problem(WANT, &registered, "needs `issuer.tls.client-auth: any`");
    let bound = "client-secret: x, tls-client-certificate-bound-access-tokens: true";
    let expected = "tls-client-certificate-bound-access-tokens: needs";
    expect_problem(none, bound, expected);
    let plain = format!("hallpass: {{ issuer: {{ clients: [{{ client-id: a, {bound} }}] }} }}");
    let found = problems(&plain);
    assert!(found[0].contains("nobody is asked"), "{found:?}");
}
