//! `examples/protected` and `examples/caller` where every hop is mutual TLS under a private authority that YAML names.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::SystemClock;
use hallpass::config::Loader;
use hallpass::tls::{ClientTls, ClientTlsSettings, KeyPairSettings, TestAuthority, TlsMetrics};
use hallpass::upstream::HttpTransport;
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use http::StatusCode;
use tempfile::TempDir;

use crate::child::{Answer, Example, get_by};

const SECRET: &str = "0123456789abcdef0123456789abcdef";
/// Longer than the interval in which files are looked at, many times.
const LIMIT: Duration = Duration::from_secs(60);

/// An issuer that demands certificates, and a folder with everybody's.
struct Estate {
    folder: TempDir,
    authority: TestAuthority,
    issuer: RunningIssuer,
}

impl Estate {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Estate CA");
        for name in ["issuer", "protected", "caller"] {
            let certificate = authority.certificate(&["127.0.0.1"]);
            let _settings = certificate.write(folder.path(), name);
        }
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        let yaml = folder.path().join("issuer.yaml");
        let issuer = format!(
            r#"
hallpass:
  issuer:
    listen: 127.0.0.1:0
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: need, client-ca-file: ca.crt }}
    clients:
      - {{ client-id: caller, client-secret: {SECRET}, secret-kind: generated, scopes: [orders], audiences: [protected] }}
"#
        );
        std::fs::write(&yaml, issuer).unwrap();
        let issuer = Loader::new("hallpass").file(yaml).load::<IssuerSettings>();
        let issuer = issuer.unwrap().into_settings();
        let issuer = IssuerServer::start(&issuer, Arc::new(SystemClock::new())).await;
        Self {
            folder,
            authority,
            issuer: issuer.unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The file with the TLS of an example: what it trusts and shows as a caller, and as a server.
    fn configuration(&self, name: &str, authority: &str) -> String {
        let pair = format!("certificate-file: {name}.crt, private-key-file: {name}.key");
        let yaml = format!(
            "hallpass:\n  tls: {{ ca-file: {authority}, system-roots: false, {pair} }}\n  \
             service: {{ tls: {{ {pair}, client-auth: need, client-ca-file: ca.crt }} }}\n"
        );
        let file = self.path(&format!("{name}.yaml"));
        std::fs::write(&file, yaml).unwrap();
        file.to_str().unwrap().to_owned()
    }

    fn protected(&self) -> Example {
        let jwks = self.issuer.url("/oauth2/jwks");
        let configuration = self.configuration("protected", "ca.crt");
        let variables = [
            ("ISSUER", "internal"),
            ("AUDIENCE", "protected"),
            ("REQUIRED_SCOPE", "orders"),
            ("JWKS_URL", &jwks),
            ("CONFIG", &configuration),
        ];
        Example::start("protected", &variables)
    }

    /// The caller of `orders`, which trusts the authorities of that file.
    fn caller(&self, orders: &str, authority: &str) -> Example {
        let tokens = self.issuer.url("/oauth2/token");
        let configuration = self.configuration("caller", authority);
        let variables = [
            ("TOKEN_URL", tokens.as_str()),
            ("CLIENT_ID", "caller"),
            ("CLIENT_SECRET", SECRET),
            ("SCOPE", "orders"),
            ("AUDIENCE", "protected"),
            ("RESOURCE_URL", orders),
            ("CONFIG", &configuration),
        ];
        Example::start("caller", &variables)
    }

    /// Somebody who trusts that authority, with the certificate of `name` or none.
    fn transport(&self, authority: &TestAuthority, name: Option<&str>) -> HttpTransport {
        let ca_file = self.path("trusted-by-the-test.crt");
        std::fs::write(&ca_file, authority.pem()).unwrap();
        let settings = ClientTlsSettings {
            system_roots: false,
            ca_file: Some(ca_file),
            key_pair: name.map(|name| KeyPairSettings {
                certificate_file: self.path(&format!("{name}.crt")),
                private_key_file: self.path(&format!("{name}.key")),
            }),
        };
        let clock = Arc::new(SystemClock::new());
        let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
        HttpTransport::builder().followed_tls(tls).build().unwrap()
    }

    async fn get(&self, example: &Example, path: &str) -> Answer {
        let transport = self.transport(&self.authority, Some("caller"));
        let answer = get_by(transport, &example.https_url(path), None).await;
        answer.unwrap()
    }
}

#[tokio::test]
async fn the_small_examples_call_each_other_over_mutual_tls_that_their_yaml_describes() {
    let estate = Estate::start().await;
    let protected = estate.protected();
    let orders = protected.https_url("/orders");
    let caller = estate.caller(&orders, "ca.crt");
    let answer = estate.get(&caller, "/").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert_eq!(answer.body["sub"], "caller");
    let health = estate.get(&protected, "/health").await;
    assert_eq!(health.status, StatusCode::OK);

    // The environment says the same as the file.
    let path = |name: &str| estate.path(name).to_str().unwrap().to_owned();
    let (authority, certificate, key) = (path("ca.crt"), path("caller.crt"), path("caller.key"));
    let by_environment = Example::start(
        "caller",
        &[
            ("TOKEN_URL", &estate.issuer.url("/oauth2/token")),
            ("CLIENT_ID", "caller"),
            ("CLIENT_SECRET", SECRET),
            ("SCOPE", "orders"),
            ("AUDIENCE", "protected"),
            ("RESOURCE_URL", &orders),
            ("HALLPASS_TLS_CA_FILE", &authority),
            ("HALLPASS_TLS_CERTIFICATE_FILE", &certificate),
            ("HALLPASS_TLS_PRIVATE_KEY_FILE", &key),
        ],
    );
    let answer = crate::child::get(&by_environment.url("/"), None).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);

    // Both listeners demand a certificate, and speak nothing but TLS.
    for example in [&protected, &caller] {
        let nobody = estate.transport(&estate.authority, None);
        let refused = get_by(nobody, &example.https_url("/health"), None).await;
        assert!(refused.is_err());
        let plain = HttpTransport::new().unwrap();
        assert!(get_by(plain, &example.url("/health"), None).await.is_err());
    }
}

#[tokio::test]
async fn the_small_examples_take_renewed_certificates_and_authorities_without_a_restart() {
    let estate = Estate::start().await;
    let protected = estate.protected();
    let orders = protected.https_url("/orders");
    let next = TestAuthority::new("Next CA");
    // The caller trusts nobody yet that is there.
    std::fs::write(estate.path("trusted.crt"), next.pem()).unwrap();
    let caller = estate.caller(&orders, "trusted.crt");
    let answer = estate.get(&caller, "/").await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.contains("token"), "{detail}");

    // The next authority makes the service's certificate; the issuer's is still of the old one.
    let _settings = next
        .certificate(&["127.0.0.1"])
        .write(estate.folder.path(), "protected");
    let served = async {
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        let health = protected.https_url("/health");
        let ask = || get_by(estate.transport(&next, Some("caller")), &health, None);
        while ask().await.is_err() {
            looks.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, served).await.unwrap();

    let both = [estate.authority.pem(), next.pem()].concat();
    std::fs::write(estate.path("trusted.crt"), both).unwrap();
    // The token service asks again when its pause after the failure is over.
    let called = async {
        let mut looks = tokio::time::interval(Duration::from_millis(100));
        // Then the call gets through. The service has no keys: the issuer does not know the authority of its certificate.
        while estate.get(&caller, "/").await.status != StatusCode::SERVICE_UNAVAILABLE {
            looks.tick().await;
        }
    };
    tokio::time::timeout(LIMIT, called).await.unwrap();
}

#[tokio::test]
async fn the_small_examples_name_a_tls_file_that_cannot_be_used_and_do_not_start() {
    let estate = Estate::start().await;
    let configuration = estate.configuration("caller", "ca.crt");
    std::fs::write(estate.path("caller.key"), "no key").unwrap();
    let variables = [
        ("ISSUER", "internal"),
        ("JWKS_URL", "https://127.0.0.1:1/"),
        ("TOKEN_URL", "https://127.0.0.1:1/"),
        ("CLIENT_ID", "caller"),
        ("CLIENT_SECRET", SECRET),
        ("AUDIENCE", "protected"),
        ("RESOURCE_URL", "https://127.0.0.1:1/"),
        ("CONFIG", configuration.as_str()),
    ];
    for name in ["protected", "caller"] {
        let failed = crate::child::run_to_the_end(name, &variables);
        assert_eq!(failed.code, Some(64), "{}", failed.said);
        assert!(failed.said.contains("caller.key"), "{}", failed.said);
    }
    std::fs::write(estate.path("caller.yaml"), "hallpass: { tsl: {} }").unwrap();
    for name in ["protected", "caller"] {
        let failed = crate::child::run_to_the_end(name, &variables);
        assert_eq!(failed.code, Some(64), "{}", failed.said);
        assert!(
            failed.said.contains("did you mean `tls`"),
            "{}",
            failed.said
        );
    }
}
