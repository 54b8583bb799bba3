//! A service in Kubernetes without any secret: from the token that the kubelet writes to the callee.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use axum::{Json, Router, routing::get};
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{Algorithm, JwkSet, SigningKey, TokenClaims, TokenType, UnixTime, sign_as};
use hallpass_issuer::{IssuerServer, IssuerSettings};
use hallpass_testkit::TestServer;
use serde_json::json;
use tokio::task::JoinSet;

/// The file of the service and the `iss` of the cluster, as in `docs/kubernetes.md`.
const ORDERS: &str = "system:serviceaccount:shop:orders";
const CLUSTER: &str = "https://kubernetes.default.svc.cluster.local";

#[feign_client(name = "logistics-service")]
trait Logistics {
    #[get("/who")]
    async fn who(&self) -> Result<String, FeignError>;
}

/// An API server that shows its keys, and a kubelet that writes the token of a pod.
struct Cluster {
    key: SigningKey,
    keys: TestServer,
    pod: tempfile::TempDir,
}

impl Cluster {
    async fn start() -> Self {
        let key = SigningKey::generate(Algorithm::Rs256).unwrap();
        let set = JwkSet::new([key.public_jwk()]).to_json();
        let keys = get(async move || Json(set));
        let keys = Router::new().route("/openid/v1/jwks", keys);
        Self {
            key,
            keys: TestServer::start(keys).await.unwrap(),
            pod: tempfile::tempdir().unwrap(),
        }
    }

    /// As the kubelet does it: a new file in the place of the old one.
    fn renew(&self, generation: u32) {
        let now: UnixTime = SystemClock::new().now().into();
        let end = now.saturating_add(Duration::from_secs(3_600));
        let (issuer, subject) = (CLUSTER.parse().unwrap(), ORDERS.parse().unwrap());
        let mut claims = TokenClaims::new(issuer, subject, "internal".parse().unwrap(), end);
        claims.issued_at = Some(now);
        let pod = json!({ "namespace": "shop", "pod": { "name": format!("orders-{generation}") } });
        claims.extra.insert("kubernetes.io".to_owned(), pod);
        let token = sign_as(&claims, &self.key, TokenType::Jwt, now).unwrap();
        let new = self.pod.path().join("new");
        fs::write(&new, token.expose()).unwrap();
        fs::rename(new, self.pod.path().join("token")).unwrap();
    }

    /// Its client `order-service` is the service account of the pod; `conditions` may demand more.
    fn issuer(&self, store: &Path, conditions: &str) -> IssuerSettings {
        let yaml = format!(
            "
hallpass:
  issuer:
    listen: 127.0.0.1:0
    store: {}
    trusted-issuers:
      - {{ name: cluster, preset: kubernetes, jwks-url: '{}' }}
    clients:
      - client-id: order-service
        token-endpoint-auth-method: federated_jwt
        audiences: logistics-service
        assertions: [{{ issuer: '{CLUSTER}', subject: '{ORDERS}'{conditions} }}]
",
            store.display(),
            self.keys.url("/openid/v1/jwks"),
        );
        let loader = Loader::new("hallpass").text("issuer", yaml);
        loader.load().unwrap().into_settings()
    }

    /// No secret, and nothing kept: each call asks for a token.
    fn service(&self, issuer: &str, logistics: &TestServer) -> Hallpass {
        let yaml = format!(
            "
hallpass:
  discovery: {{ static: {{ logistics-service: ['{}'] }} }}
  internal-token:
    client-id: order-service
    client-authentication: federated_jwt
    client-assertion-file: {}
    token-url: '{issuer}'
    memory-cache: {{ enabled: false }}
",
            logistics.address(),
            self.pod.path().join("token").display(),
        );
        service(&yaml)
    }
}

fn service(yaml: &str) -> Hallpass {
    let settings = Loader::new("hallpass").text("service", yaml);
    let settings = settings.load::<Settings>().unwrap().into_settings();
    Hallpass::from_settings(&settings).unwrap()
}

/// Says who calls.
async fn logistics(keys: &str) -> TestServer {
    let yaml = format!(
        "hallpass: {{ service: {{ name: logistics-service }}, security: {{ internal-jwt: {{ jwks-url: '{keys}' }} }} }}"
    );
    let server = service(&yaml).resource_server();
    let guard = server.route_any("/who", Rule::Authenticated).build();
    let who = get(async |caller: Caller| Json(caller.subject().to_string()));
    let router = Router::new().route("/who", who);
    TestServer::start(router.layer(guard.unwrap().layer()))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_calls_another_while_its_cluster_renews_the_token_that_it_shows() {
    let cluster = Cluster::start().await;
    cluster.renew(0);
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("issuer.db");
    let clock = Arc::new(SystemClock::new());
    let settings = cluster.issuer(&store, "");
    let issuer = IssuerServer::start(&settings, clock).await.unwrap();
    let logistics = logistics(&issuer.url("/oauth2/jwks")).await;
    let caller = cluster.service(&issuer.url("/oauth2/token"), &logistics);
    let client = Arc::new(FeignLogistics::new(caller.feign()).unwrap());
    let (stop, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicU64::new(0)),
    );
    let mut workers = JoinSet::new();
    for _worker in 0..3 {
        let (client, stop, calls) = (Arc::clone(&client), Arc::clone(&stop), Arc::clone(&calls));
        workers.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                assert_eq!(client.who().await, Ok("order-service".to_owned()));
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for generation in 1..=20 {
        let before = calls.load(Ordering::Relaxed);
        cluster.renew(generation);
        let three_more = async {
            while calls.load(Ordering::Relaxed) < before + 3 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let within = Duration::from_secs(30);
        tokio::time::timeout(within, three_more)
            .await
            .expect("calls go on");
    }
    stop.store(true, Ordering::Relaxed);
    while let Some(worker) = workers.join_next().await {
        worker.expect("no call is lost");
    }
    // What counts is what the file holds now, and no token that it held before.
    let only =
        |pod: &str| format!(", claims: [{{ path: [kubernetes.io, pod, name], value: '{pod}' }}]");
    issuer
        .apply(&cluster.issuer(&store, &only("orders-20")))
        .await
        .unwrap();
    assert_eq!(client.who().await, Ok("order-service".to_owned()));
    issuer
        .apply(&cluster.issuer(&store, &only("orders-19")))
        .await
        .unwrap();
    assert_eq!(client.who().await.unwrap_err().code(), "token");
    issuer.shutdown().await.unwrap();
}
