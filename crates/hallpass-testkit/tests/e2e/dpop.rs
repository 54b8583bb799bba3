//! Bound tokens (DPoP) from the issuer through the client to the resource server, and what a thief makes of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::{Json, Router, routing::get};
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{Algorithm, DpopKey, DpopRequest, DpopUri, UnixTime};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::IssuerSettings;
use hallpass_testkit::{TestIssuer, TestServer};
use http::{HeaderMap, Request, StatusCode};
use tower::ServiceExt as _;

const ISSUER: &str = "
hallpass:
  issuer:
    dpop: { nonce: required }
    clients:
      - client-id: order-service
        client-secret: OrderSecret123!
        audiences: stock-service
        dpop-bound-access-tokens: true
";

/// Keys of files, as an operator changes them.
const KEYS: [&str; 2] = [
    include_str!("../../../hallpass-issuer/tests/integration/data/ec-p256.pem"),
    // RFC 8037 appendix A.1.
    "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n",
];

#[feign_client(name = "stock-service")]
trait Stock {
    #[get("/stock")]
    async fn stock(&self) -> Result<String, FeignError>;
}

/// What the callees have received with each call: `Authorization` and `DPoP`.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<[String; 2]>>>);

struct Estate {
    issuer: TestIssuer,
    stocks: [TestServer; 2],
    seen: Seen,
}

impl Estate {
    async fn start() -> Self {
        let settings = Loader::new("hallpass").text("issuer", ISSUER);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        let seen = Seen::default();
        let stocks = [stock(&issuer, &seen).await, stock(&issuer, &seen).await];
        Self {
            issuer,
            stocks,
            seen,
        }
    }

    /// The caller's settings, with a key from a file or with one of its own.
    fn caller(&self, key: Option<&str>) -> Settings {
        let [one, other] = self.stocks.each_ref().map(TestServer::address);
        let key = key.map_or_else(String::new, |pem| {
            format!("dpop-key: \"{}\"", pem.replace('\n', "\\n"))
        });
        load(&format!(
            "
hallpass:
  service: {{ name: order-service }}
  discovery: {{ static: {{ stock-service: ['{one}', '{other}'] }} }}
  internal-token:
    client-id: order-service
    client-secret: OrderSecret123!
    token-url: '{}'
    dpop: true
    {key}
",
            self.issuer.token_url()
        ))
    }
}

fn load(yaml: &str) -> Settings {
    let loader = Loader::new("hallpass").text("service", yaml);
    loader.load::<Settings>().unwrap().into_settings()
}

/// An instance of the callee, which demands nonces of its own.
async fn stock(issuer: &TestIssuer, seen: &Seen) -> TestServer {
    let settings = load(&format!(
        "
hallpass:
  service: {{ name: stock-service }}
  security: {{ internal-jwt: {{ jwks-url: '{}', dpop: {{ nonce: required }} }} }}
",
        issuer.jwks_url()
    ));
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    let seen = seen.clone();
    let handler = get(move |caller: Caller, headers: HeaderMap| {
        let received = ["authorization", "dpop"];
        let received = received.map(|name| headers[name].to_str().unwrap().to_owned());
        seen.0.lock().unwrap().push(received);
        async move { Json(caller.subject().to_string()) }
    });
    let server = hallpass.resource_server();
    let guard = server.route_any("/stock", Rule::Authenticated).build();
    let router = Router::new().route("/stock", handler);
    let router = router.layer(guard.unwrap().layer());
    TestServer::start(router).await.unwrap()
}

async fn send(url: &str, headers: &[(&str, &str)]) -> StatusCode {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = HttpTransport::new().unwrap().oneshot(request).await;
    response.unwrap().status()
}

#[tokio::test]
async fn whoever_steals_token_and_proof_of_a_call_can_do_nothing_with_them() {
    let estate = Estate::start().await;
    let hallpass = Hallpass::from_settings(&estate.caller(None)).unwrap();
    let client = FeignStock::new(hallpass.feign()).unwrap();
    for _ in 0..4 {
        assert_eq!(client.stock().await.unwrap(), "order-service");
    }
    assert_eq!(estate.issuer.tokens_issued(), 1, "nonces cost no token");
    let seen = estate.seen.0.lock().unwrap().clone();
    let [authorization, proof] = &seen[0];
    let token = authorization.strip_prefix("DPoP ").unwrap();
    let thief = DpopKey::generate(Algorithm::Es256).unwrap();
    for server in &estate.stocks {
        let url = server.url("/stock");
        let uri = DpopUri::parse(&url).unwrap();
        let request = DpopRequest {
            method: "GET",
            uri: &uri,
            access_token: Some(token),
            nonce: None,
        };
        let own = thief.prove(&request, UnixTime::from(SystemClock::new().now()));
        let own = own.unwrap();
        let bearer = format!("Bearer {token}");
        for headers in [
            &[("authorization", &**authorization), ("dpop", proof)][..],
            &[("authorization", authorization), ("dpop", &own)],
            &[("authorization", authorization)],
            &[("authorization", &bearer)],
            &[("authorization", &bearer), ("dpop", proof)],
        ] {
            assert_eq!(send(&url, headers).await, StatusCode::UNAUTHORIZED);
        }
    }
    assert_eq!(estate.seen.0.lock().unwrap().len(), 4, "no handler ran");
}

#[tokio::test]
async fn an_issuer_gives_this_client_no_token_that_is_not_bound() {
    let estate = Estate::start().await;
    let yaml = format!(
        "
hallpass:
  discovery: {{ static: {{ stock-service: ['{}'] }} }}
  internal-token: {{ client-id: order-service, client-secret: OrderSecret123!, token-url: '{}' }}
",
        estate.stocks[0].address(),
        estate.issuer.token_url()
    );
    let hallpass = Hallpass::from_settings(&load(&yaml)).unwrap();
    let error = FeignStock::new(hallpass.feign()).unwrap().stock().await;
    assert_eq!(error.unwrap_err().code(), "token");
    assert_eq!(estate.issuer.tokens_issued(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_key_of_the_proofs_changes() {
    const CHANGES: usize = 20;
    let estate = Estate::start().await;
    let hallpass = Hallpass::from_settings(&estate.caller(Some(KEYS[0]))).unwrap();
    let (is_over, calls) = (
        Arc::new(AtomicBool::new(false)),
        Arc::new(AtomicUsize::new(0)),
    );
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let client = FeignStock::new(hallpass.feign()).unwrap();
        let (is_over, calls) = (Arc::clone(&is_over), Arc::clone(&calls));
        callers.spawn(async move {
            let mut failed = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                calls.fetch_add(1, Ordering::Relaxed);
                failed.extend(client.stock().await.err());
            }
            failed
        });
    }
    for change in 0..CHANGES {
        // Some calls go out with each key.
        let before = calls.load(Ordering::Relaxed);
        while calls.load(Ordering::Relaxed) < before + 8 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let settings = estate.caller(Some(KEYS[(change + 1) % 2]));
        hallpass.apply(&settings).unwrap();
    }
    is_over.store(true, Ordering::Relaxed);
    let failed: Vec<_> = callers.join_all().await.into_iter().flatten().collect();
    assert!(
        failed.is_empty(),
        "{} of {calls:?}: {:?}",
        failed.len(),
        failed.first()
    );
    let tokens = usize::try_from(estate.issuer.tokens_issued()).unwrap();
    assert!(tokens > CHANGES / 2, "{tokens} tokens");
}
