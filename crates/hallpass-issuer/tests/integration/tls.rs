//! An issuer whose listener speaks TLS.

use std::sync::Arc;

use hallpass_issuer::{Error, IssuerServer, IssuerSettings};
use hallpass_tls::{
    ClientAuth, ClientTls, ClientTlsSettings, ServerTlsSettings, TestAuthority, TlsMetrics,
};
use rustls::pki_types::ServerName;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::harness::{self, Harness, Response, SECRET, basic, request};

/// Files for a listener on loopback, in `folder`.
fn files(authority: &TestAuthority, folder: &TempDir) -> ServerTlsSettings {
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    ServerTlsSettings {
        key_pair: authority
            .certificate(&["127.0.0.1"])
            .write(folder.path(), "issuer"),
        client_auth: ClientAuth::None,
    }
}

/// The response to one request by a caller that trusts the authority in `folder` alone.
async fn send(harness: &Harness, folder: &TempDir, bytes: &[u8]) -> Response {
    let settings = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(folder.path().join("ca.crt")),
        key_pair: None,
    };
    let tls = ClientTls::load(&settings, harness.clock.clone(), &TlsMetrics::default()).unwrap();
    let stream = TcpStream::connect(harness.address()).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connector = TlsConnector::from(tls.config());
    let mut stream = connector.connect(name, stream).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    harness::read(&mut stream).await
}

#[tokio::test]
async fn an_issuer_with_a_certificate_serves_tokens_and_documents_over_tls_and_shows_https() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), TestAuthority::new("Test CA"));
    let tls = files(&authority, &folder);
    let harness = Harness::with(|settings| settings.tls = Some(tls)).await;
    let lines = [
        "Content-Type: application/x-www-form-urlencoded".to_owned(),
        basic("c", SECRET),
    ];
    let form = b"grant_type=client_credentials";
    let asked = send(
        &harness,
        &folder,
        &request("POST /oauth2/token", &lines, form),
    )
    .await;
    assert_eq!(asked.status, 200, "{asked:?}");
    let path = "GET /.well-known/oauth-authorization-server";
    let document = send(&harness, &folder, &request(path, &[], b"")).await;
    let base = format!("https://{}", harness.address());
    assert_eq!(
        document.json()["token_endpoint"],
        format!("{base}/oauth2/token")
    );
    assert_eq!(document.json()["jwks_uri"], format!("{base}/oauth2/jwks"));
    assert_eq!(
        harness.issuer.url("/oauth2/jwks"),
        format!("{base}/oauth2/jwks")
    );
    let ends = r#"hallpass_tls_certificate_expiry_timestamp_seconds{used_for="server"}"#;
    assert!(harness.metric(ends) > harness::NOW);
    documented(&harness);
}

fn documented(harness: &Harness) {
    let documented = include_str!("../../../../docs/metrics.md");
    let text = harness.issuer.metrics();
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let tls = names.filter(|name| name.contains("_tls_"));
    let names: Vec<_> = tls.filter_map(|line| line.split(' ').next()).collect();
    assert!(!names.is_empty());
    for name in names {
        assert!(documented.contains(&format!("`{name}")), "{name}");
    }
}

#[tokio::test]
async fn a_first_start_whose_private_key_cannot_be_read_says_so_before_it_makes_a_store() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), TestAuthority::new("Test CA"));
    let tls = files(&authority, &folder);
    std::fs::remove_file(&tls.key_pair.private_key_file).unwrap();
    let settings = IssuerSettings {
        tls: Some(tls),
        ..harness::settings(&folder)
    };
    let clock = Arc::new(harness::test_clock());
    let error = IssuerServer::start(&settings, clock).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.starts_with("issuer.tls: ") && text.contains("issuer.key"),
        "{text}"
    );
    assert!(!settings.store.exists());
}

#[tokio::test]
async fn settings_whose_certificate_cannot_be_used_change_nothing_not_even_the_clients() {
    let (folder, authority) = (tempfile::tempdir().unwrap(), TestAuthority::new("Test CA"));
    let tls = files(&authority, &folder);
    let harness = Harness::with(|settings| settings.tls = Some(tls)).await;
    let mut settings = harness.settings.clone();
    settings.clients.clear();
    let tls = settings.tls.as_mut().unwrap();
    tls.key_pair.certificate_file = folder.path().join("other.crt");
    let error = harness.issuer.apply(&settings).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_)), "{error}");
    assert_eq!(harness.metric("hallpass_issuer_clients"), 1);

    let renewed = authority.certificate(&["127.0.0.1"]);
    settings.tls.as_mut().unwrap().key_pair = renewed.write(folder.path(), "other");
    harness.issuer.apply(&settings).await.unwrap();
    assert_eq!(harness.metric("hallpass_issuer_clients"), 0);
    let taken = r#"hallpass_tls_reloads_total{used_for="server",result="taken"}"#;
    assert_eq!(harness.metric(taken), 1);
}
