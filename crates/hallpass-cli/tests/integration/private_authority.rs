//! `hallpass token get`, `token verify` and `jws verify`, with an issuer whose certificate comes from a private authority

use std::fs;
use std::path::Path;

use hallpass_tls::TestAuthority;

use crate::issuer::Running;
use crate::process::{Outcome, command, run_with};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const CLIENT: &str = "--client-id=a";

/// An issuer over TLS, and in its folder what its callers need.
struct Estate {
    folder: tempfile::TempDir,
    issuer: Running,
}

impl Estate {
    fn start(client_auth: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Private CA");
        for name in ["issuer", "caller"] {
            let certificate = authority.certificate(&["127.0.0.1"]);
            let _settings = certificate.write(folder.path(), name);
        }
        fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        fs::write(folder.path().join("secret"), SECRET).unwrap();
        let configuration = format!(
            "hallpass: {{ issuer: {{ \
               tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, {client_auth} }}, \
               clients: [{{ client-id: a, client-secret: {SECRET}, secret-kind: generated, audiences: [b] }}] }} }}"
        );
        fs::write(folder.path().join("issuer.yaml"), configuration).unwrap();
        let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
        Self { folder, issuer }
    }

    /// A file that callers may name, whose section `tls` is this. It has a section that no caller reads, too.
    fn caller_yaml(&self, tls: &str) -> String {
        let file = self.path("caller.yaml");
        fs::write(&file, format!("hallpass:\n  tls: {tls}\n  shop: 1\n")).unwrap();
        file
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// A token by `token get` with these options.
    fn token(&self, options: &[&str]) -> Outcome {
        let (url, secret) = (self.issuer.url("/oauth2/token"), self.path("secret"));
        let ask = ["token", "get", "--token-url", &url, CLIENT, "--audience=b"];
        let ask = [&ask[..], &["--client-secret-file", &secret], options].concat();
        run_with(&ask, b"")
    }

    /// Both commands that fetch keys, with these options.
    fn verdicts(&self, token: &str, options: &[&str]) -> [Outcome; 2] {
        let url = self.issuer.url("/oauth2/jwks");
        let claims = ["token", "verify", "--issuer=internal", "--audience=b", "-"];
        let signature = ["jws", "verify", "--jws=-"];
        [&claims[..], &signature].map(|verify| {
            let verify = [verify, &["--jwks", &url], options].concat();
            run_with(&verify, token.as_bytes())
        })
    }
}

#[test]
fn every_command_that_asks_the_issuer_takes_a_private_authority_from_an_option_or_a_file() {
    let estate = Estate::start("");
    let authority = estate.path("ca.crt");
    let got = estate.token(&["--ca-file", &authority]);
    assert_eq!(got.code, 0, "{got:?}");
    let token = got.stdout.trim();
    // A name in the file is relative to the file.
    let configuration = estate.caller_yaml("{ ca-file: ca.crt, system-roots: false }");
    for options in [["--ca-file", &authority], ["--config", &configuration]] {
        for verdict in estate.verdicts(token, &options) {
            assert_eq!(verdict.code, 0, "{options:?} {verdict:?}");
            assert_eq!(verdict.json()["valid"], true);
        }
    }
    for verdict in estate.verdicts(token, &[]) {
        assert_eq!((verdict.code, verdict.stdout.as_str()), (64, ""));
        assert!(verdict.stderr.contains("UnknownIssuer"), "{verdict:?}");
        assert!(!verdict.stderr.contains(token));
    }
    assert_eq!(estate.token(&[]).code, 1);
}

#[test]
fn the_environment_names_the_authority_too_and_the_option_wins() {
    let estate = Estate::start("");
    let authority = estate.path("ca.crt");
    let token = estate.token(&["--ca-file", &authority]).stdout;
    let url = estate.issuer.url("/oauth2/jwks");
    let verify = |authority: &str, options: &[&str]| {
        let mut verify = command(&["token", "verify", "--jwks", &url]);
        verify.args(["--issuer=internal", "--audience=b", token.trim()]);
        let verify = verify.args(options).env("HALLPASS_TLS_CA_FILE", authority);
        verify.output().unwrap().status.code()
    };
    assert_eq!(verify(&authority, &[]), Some(0));
    assert_eq!(verify("/no/such/file", &[]), Some(64));
    let options = ["--ca-file", authority.as_str()];
    assert_eq!(verify("/no/such/file", &options), Some(0));
}

#[test]
fn keys_come_from_an_issuer_that_demands_a_certificate_of_its_callers() {
    let estate = Estate::start("client-auth: need, client-ca-file: ca.crt");
    let own = "ca-file: ca.crt, certificate-file: caller.crt, private-key-file: caller.key";
    let configuration = estate.caller_yaml(&format!("{{ {own} }}"));
    let got = estate.token(&["--ca-file", &estate.path("ca.crt")]);
    assert_eq!(got.code, 1, "{got:?}");
    // `token get` reads the whole file, in which `shop` is no section.
    assert!(Path::new(&configuration).exists());
    let whole = estate.path("whole.yaml");
    fs::write(&whole, format!("hallpass: {{ tls: {{ {own} }} }}")).unwrap();
    let got = estate.token(&["--config", &whole]);
    assert_eq!(got.code, 0, "{got:?}");
    for verdict in estate.verdicts(got.stdout.trim(), &["--config", &configuration]) {
        assert_eq!(verdict.code, 0, "{verdict:?}");
    }
}

#[test]
fn an_authority_that_cannot_be_used_exits_64_and_is_named() {
    let estate = Estate::start("");
    let empty = estate.path("empty.crt");
    fs::write(&empty, "").unwrap();
    let absent = estate.path("absent.crt");
    for file in [&empty, &absent] {
        for outcome in estate.verdicts("a.b.c", &["--ca-file", file]) {
            assert_eq!((outcome.code, outcome.stdout.as_str()), (64, ""));
            assert!(outcome.stderr.contains(file.as_str()), "{outcome:?}");
        }
    }
    let options = ["--config", "/no/such/file.yaml"];
    for outcome in estate.verdicts("a.b.c", &options) {
        assert_eq!(outcome.code, 64, "{outcome:?}");
    }
}

#[test]
fn without_system_roots_the_private_authority_is_trusted_alone() {
    let estate = Estate::start("");
    let another = TestAuthority::new("Another CA");
    fs::write(estate.path("another.crt"), another.pem()).unwrap();
    let url = estate.issuer.url("/oauth2/jwks");
    // The issuer's authority is one of the system, and the file names another.
    let verdict = |tls: &str| {
        let configuration = estate.caller_yaml(tls);
        let mut verify = command(&["token", "verify", "--jwks", &url, "--issuer=internal"]);
        verify.args(["--audience=b", "--config", &configuration, "a.b.c"]);
        let verify = verify.env("SSL_CERT_FILE", estate.path("ca.crt"));
        String::from_utf8(verify.output().unwrap().stderr).unwrap()
    };
    let trusted = verdict("{ ca-file: another.crt }");
    assert!(!trusted.contains("UnknownIssuer"), "{trusted}");
    let refused = verdict("{ ca-file: another.crt, system-roots: false }");
    assert!(refused.contains("UnknownIssuer"), "{refused}");
}
