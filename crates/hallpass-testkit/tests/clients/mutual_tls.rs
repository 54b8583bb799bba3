//! Other people's clients that prove who they are by a certificate, and get tokens that are bound to it (RFC 8705).

use std::process::Command;
use std::sync::Arc;

use hallpass::clock::SystemClock;
use hallpass::config::Loader;
use hallpass::tls::TestAuthority;
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use serde_json::json;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::passes;
use crate::tools::Tools;

/// An issuer that asks for certificates, and a client that has one.
struct Judged {
    issuer: RunningIssuer,
    folder: TempDir,
}

impl Judged {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Estate CA");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        for (file, name) in [
            ("issuer", "127.0.0.1"),
            ("client", "order.example"),
            ("other", "other.example"),
        ] {
            let _settings = authority.certificate(&[name]).write(folder.path(), file);
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let yaml = format!(
            "
hallpass:
  issuer:
    name: https://{address}
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: want, client-ca-file: ca.crt }}
    clients:
      - client-id: order-service
        token-endpoint-auth-method: tls_client_auth
        tls-client-auth-san-dns: order.example
        tls-client-certificate-bound-access-tokens: true
        scopes: internal-service
        audiences: service-system
"
        );
        let file = folder.path().join("issuer.yaml");
        std::fs::write(&file, yaml).unwrap();
        let settings = Loader::new("hallpass").file(file).load::<IssuerSettings>();
        let settings = settings.unwrap().into_settings();
        let clock = Arc::new(SystemClock::new());
        let issuer = IssuerServer::start_on(listener, &settings, clock).await;
        let issuer = issuer.unwrap();
        Self { issuer, folder }
    }

    async fn passes(&self, judge: Command, checks: &[&str]) {
        let file = |name: &str| self.folder.path().join(name);
        let pair = |name: &str| {
            let [certificate, key] = ["crt", "key"].map(|end| file(&format!("{name}.{end}")));
            json!({ "certificate": certificate, "key": key })
        };
        let asked = json!({
            "issuer": self.issuer.issuer_name(),
            "client": "order-service",
            "audience": "service-system",
            "ca": file("ca.crt"),
            "own": pair("client"),
            "other": pair("other"),
        });
        passes(judge, &asked.to_string(), checks).await;
        assert!(self.issuer.tokens_issued() > 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn oauth4webapi_gets_bound_tokens_by_its_certificate() {
    let Some(judge) = Tools::of_tests().javascript("mutual_tls.mjs") else {
        return;
    };
    let checks = ["oauth4webapi: tls_client_auth and bound tokens (RFC 8705)"];
    Judged::start().await.passes(judge, &checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn authlib_gets_bound_tokens_by_its_certificate() {
    let Some(judge) = Tools::of_tests().python("mutual_tls.py") else {
        return;
    };
    let checks = ["authlib: tls_client_auth and bound tokens (RFC 8705)"];
    Judged::start().await.passes(judge, &checks).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nimbus_and_spring_security_get_bound_tokens_by_their_certificate() {
    let Some(judge) = Tools::of_tests().java() else {
        return;
    };
    let checks = [
        "nimbus: tls_client_auth and bound tokens (RFC 8705)",
        "spring security: tls_client_auth and bound tokens (RFC 8705)",
    ];
    Judged::start().await.passes(judge, &checks).await;
}
