//! `hallpass issuer` with a certificate

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};
use hallpass::upstream::{Body, HttpTransport, TransportErrorKind};
use hallpass_tls::TestAuthority;
use tower::ServiceExt;

use crate::issuer::Running;
use crate::process::run;

const CONFIGURATION: &str = "\
hallpass:
  issuer:
    tls: { certificate-file: tls/server.crt, private-key-file: tls/server.key }
    clients:
      - client-id: a
        client-secret: 0123456789abcdef0123456789abcdef
        secret-kind: generated
        audiences: [service-system]
";

fn prepare(folder: &Path, authority: &TestAuthority) {
    fs::create_dir_all(folder.join("tls")).unwrap();
    let certificate = authority.certificate(&["127.0.0.1"]);
    let _settings = certificate.write(&folder.join("tls"), "server");
    fs::write(folder.join("issuer.yaml"), CONFIGURATION).unwrap();
}

/// The status of a token request by somebody who trusts `authority` alone.
#[tokio::main(flavor = "current_thread")]
async fn ask(issuer: &Running, authority: &TestAuthority) -> Result<u16, TransportErrorKind> {
    let form =
        "grant_type=client_credentials&client_id=a&client_secret=0123456789abcdef0123456789abcdef";
    let request = http::Request::post(issuer.url("/oauth2/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(form))
        .unwrap();
    let transport = HttpTransport::builder().trust_only_pem(authority.pem().as_bytes());
    let transport = transport.unwrap().build().unwrap();
    let response = transport.oneshot(request).await;
    response
        .map(|response| response.status().as_u16())
        .map_err(|error| error.kind())
}

#[test]
fn tokens_come_over_https_and_a_renewed_certificate_is_taken_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (
        TestAuthority::new("First CA"),
        TestAuthority::new("Second CA"),
    );
    prepare(folder.path(), &first);
    let mut issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
    assert!(issuer.url("/").starts_with("https://127.0.0.1:"));
    assert_eq!(ask(&issuer, &first), Ok(200));
    assert_eq!(ask(&issuer, &second), Err(TransportErrorKind::Connect));

    prepare(folder.path(), &second);
    issuer.wait_for_log("changed TLS files are in use for new connections");
    assert_eq!(ask(&issuer, &second), Ok(200));
    assert_eq!(ask(&issuer, &first), Err(TransportErrorKind::Connect));
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn an_issuer_whose_private_key_cannot_be_used_does_not_start_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), &TestAuthority::new("Test CA"));
    let key = folder.path().join("tls/server.key");
    let configuration = folder.path().join("issuer.yaml");
    let arguments = [
        "issuer",
        "--listen",
        "127.0.0.1:0",
        "--config",
        configuration.to_str().unwrap(),
    ];
    let other = TestAuthority::new("Other")
        .certificate(&["a"])
        .private_key_pem;
    fs::write(&key, &other).unwrap();
    let outcome = run(&arguments);
    assert_eq!(
        (outcome.code, outcome.stdout.as_str()),
        (64, ""),
        "{outcome:?}"
    );
    assert!(
        outcome.stderr.contains("server.key do not belong together"),
        "{outcome:?}"
    );
    assert!(!outcome.stderr.contains(other.lines().nth(1).unwrap()));
    fs::remove_file(&key).unwrap();
    let outcome = run(&arguments);
    assert_eq!(outcome.code, 64, "{outcome:?}");
    assert!(
        outcome.stderr.contains("issuer.tls: ")
            && outcome
                .stderr
                .contains("server.key: the file cannot be read"),
        "{outcome:?}"
    );
}

#[test]
fn a_stop_does_not_wait_for_callers_that_never_finish_their_handshake() {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Test CA");
    prepare(folder.path(), &authority);
    let issuer = Running::start(folder.path(), &["--config", "issuer.yaml"]);
    let address = issuer.url("").replace("https://", "");
    let stalled: Vec<_> = (0..20)
        .map(|_| TcpStream::connect(&address).unwrap())
        .collect();
    assert_eq!(ask(&issuer, &authority), Ok(200));
    let clock = SystemClock::new();
    assert_eq!(issuer.stop(), 0);
    assert!(
        clock.monotonic() < Duration::from_secs(5),
        "{:?}",
        clock.monotonic()
    );
    drop(stalled);
}
