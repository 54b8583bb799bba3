//! What comes of the authority on a way that damages it replaces nothing.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::HeaderMap;
use axum::{Json, Router, routing::post};
use hallpass::certificates::{CertificateAgent, CertificateSettings};
use hallpass::client::Credential;
use hallpass::clock::SystemClock;
use hallpass::config::{Loader, Secret};
use hallpass::upstream::{Body, HttpTransport, Network, StaticDiscovery};
use hallpass_issuer::{IssuerServer, IssuerSettings, RunningIssuer};
use hallpass_testkit::TestServer;
use http::Request;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt as _;

const SECRET: &str = "InternalSecret123!";

/// What is done to what the authority says.
type Damage = fn(&mut Value, &Value);

/// An authority, and somebody on the way to it.
struct Way {
    folder: TempDir,
    _issuer: RunningIssuer,
    /// Of the response that comes next, by the one that came first.
    damage: Arc<Mutex<Damage>>,
    way: TestServer,
}

impl Way {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!(
            "hallpass: {{ issuer: {{ listen: '127.0.0.1:0', store: '{}', ca: {{ trust-domain: shop.example }}, \
             clients: [ {{ client-id: order-service, client-secret: {SECRET}, \
             certificate: {{ spiffe-id: 'spiffe://shop.example/order-service', dns-names: [localhost] }} }} ] }} }}",
            folder.path().join("issuer.db").display()
        );
        let loader = Loader::new("hallpass").text("issuer", yaml);
        let settings: IssuerSettings = loader.load().unwrap().into_settings();
        let clock = Arc::new(SystemClock::new());
        let issuer = IssuerServer::start(&settings, clock).await.unwrap();
        let url = issuer.url("/ca/v1/certificate");
        let damage = Arc::new(Mutex::new((|_, _| {}) as Damage));
        let (chosen, first) = (Arc::clone(&damage), Arc::new(Mutex::new(None)));
        let pass_on = post(move |headers: HeaderMap, body: Bytes| {
            let (url, chosen, first) = (url.clone(), Arc::clone(&chosen), Arc::clone(&first));
            async move {
                let mut said = ask(&url, &headers, body).await;
                let mut first = first.lock().unwrap();
                let first = first.get_or_insert_with(|| said.clone());
                let damage = *chosen.lock().unwrap();
                damage(&mut said, first);
                Json(said)
            }
        });
        let router = Router::new().route("/ca/v1/certificate", pass_on);
        Self {
            folder,
            _issuer: issuer,
            damage,
            way: TestServer::start(router).await.unwrap(),
        }
    }

    fn agent(&self) -> CertificateAgent {
        let discovery = Arc::new(StaticDiscovery::new());
        let network = Network::system(discovery).unwrap();
        let at = self.way.address();
        let endpoint = format!("http://{at}/oauth2/token").parse().unwrap();
        let id = "order-service".parse().unwrap();
        let credential = Credential::new(id, Secret::new(SECRET), endpoint);
        let from = format!("http://{at}/ca/v1/certificate").parse().unwrap();
        let settings = CertificateSettings::new(from, self.folder.path().join("tls"));
        CertificateAgent::new(settings, credential, &network)
    }

    /// What is in effect: key, certificate and bundle.
    fn held(&self) -> [Vec<u8>; 3] {
        let current: PathBuf = self.folder.path().join("tls/current");
        ["tls.key", "tls.crt", "ca.crt"].map(|name| fs::read(current.join(name)).unwrap())
    }
}

async fn ask(url: &str, headers: &HeaderMap, body: Bytes) -> Value {
    let mut request = Request::post(url).body(Body::from(body)).unwrap();
    for name in [CONTENT_TYPE, http::header::AUTHORIZATION] {
        if let Some(value) = headers.get(&name) {
            request.headers_mut().insert(name, value.clone());
        }
    }
    let response = HttpTransport::new().unwrap().oneshot(request).await;
    let body = response.unwrap().into_body().collect_within(100_000).await;
    serde_json::from_slice(&body.unwrap()).unwrap()
}

#[tokio::test]
async fn a_certificate_of_another_key_or_a_bundle_that_cannot_be_read_replaces_nothing() {
    let way = Way::start().await;
    let mut agent = way.agent();
    agent.first().await.unwrap();
    let held = way.held();
    let damages: [Damage; 5] = [
        // That of before, which somebody else may have the key of.
        |said, first| said["certificate_chain"] = first["certificate_chain"].clone(),
        |said, first| *said = first.clone(),
        |said, _| {
            said["bundle"] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into()
        },
        |said, _| {
            let bundle = said["bundle"].as_str().unwrap().to_owned();
            let broken = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
            said["bundle"] = format!("{bundle}{broken}").into();
        },
        |said, _| said["bundle"] = "".into(),
    ];
    let generations = || fs::read_dir(way.folder.path().join("tls")).unwrap().count();
    let before = generations();
    for (number, damage) in damages.into_iter().enumerate() {
        *way.damage.lock().unwrap() = damage;
        // What is held goes on.
        agent.first().await.unwrap();
        assert!(way.held() == held, "{number}");
        assert_eq!(generations(), before, "{number}: nothing is left of it");
    }
    *way.damage.lock().unwrap() = |_, _| {};
    agent.first().await.unwrap();
    assert!(way.held() != held);
}
