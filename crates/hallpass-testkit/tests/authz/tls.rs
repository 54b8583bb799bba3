//! Who may ask, told apart by certificate.

use std::path::Path;
use std::sync::Arc;

use hallpass::clock::SystemClock;
use hallpass::tls::{ClientTls, ClientTlsSettings, TestAuthority, TlsMetrics};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_testkit::TestIssuer;
use http::Request;
use tower::ServiceExt as _;

use crate::estate::Estate;

/// The status of a question about an open route, or why there is no answer.
async fn ask(estate: &Estate, folder: &Path, certificate: Option<&str>) -> Result<u16, String> {
    let settings = ClientTlsSettings {
        ca_file: Some(folder.join("ca.crt")),
        key_pair: certificate.map(|name| hallpass::tls::KeyPairSettings {
            certificate_file: folder.join(format!("{name}.crt")),
            private_key_file: folder.join(format!("{name}.key")),
        }),
        ..ClientTlsSettings::default()
    };
    let tls = ClientTls::load(
        &settings,
        Arc::new(SystemClock::new()),
        &TlsMetrics::default(),
    );
    let transport = HttpTransport::builder()
        .followed_tls(tls.unwrap())
        .build()
        .unwrap();
    let address = estate.authz.local_addr();
    let request = Request::get(format!("https://{address}/authz/envoy/public/a"));
    let response = transport
        .oneshot(request.body(Body::empty()).unwrap())
        .await;
    match response {
        Ok(response) => Ok(response.status().as_u16()),
        Err(error) => Err(format!("{error:?}")),
    }
}

#[tokio::test]
async fn over_tls_only_proxies_with_a_certificate_of_the_authority_may_ask() {
    let folder = tempfile::tempdir().unwrap();
    let authority = TestAuthority::new("Estate CA");
    std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
    for (name, authority) in [
        ("authz", &authority),
        ("proxy", &authority),
        ("stranger", &TestAuthority::new("Another CA")),
    ] {
        let _files = authority
            .certificate(&["127.0.0.1"])
            .write(folder.path(), name);
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let tls = format!(
        "    tls: {{ certificate-file: '{}', private-key-file: '{}', client-auth: need, client-ca-file: '{}' }}\n",
        path("authz.crt"),
        path("authz.key"),
        path("ca.crt"),
    );
    let estate = Estate::of(TestIssuer::start().await.unwrap(), &tls).await;
    assert_eq!(ask(&estate, folder.path(), Some("proxy")).await, Ok(200));
    for certificate in [None, Some("stranger")] {
        let refused = ask(&estate, folder.path(), certificate).await;
        assert!(refused.is_err(), "{certificate:?}: {refused:?}");
    }
    let failed =
        estate.sample("hallpass_authz_tls_handshakes_failed_total{reason=\"certificate\"}");
    assert!(failed >= 1.0, "{failed}");
    let expiry = "hallpass_authz_tls_certificate_expiry_timestamp_seconds{used_for=\"server\"}";
    assert!(estate.sample(expiry) > 0.0);
    // Health is for the platform, which has no certificate of ours.
    assert_eq!(estate.management("/health/live").await.status, 200);
}
