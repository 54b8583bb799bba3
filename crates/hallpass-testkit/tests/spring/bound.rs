//! A resource server of Spring as it comes, and tokens that are bound to a key (RFC 9449) or to a certificate (RFC 8705).

use std::path::Path;
use std::sync::Arc;

use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::clock::{Clock as _, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::tls::{ClientTls, ClientTlsSettings, KeyPairSettings, TestAuthority, TlsMetrics};
use hallpass::token::{Algorithm, DpopKey, DpopRequest, DpopUri, UnixTime};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::{AudienceSettings, IssuerServer, IssuerSettings, RunningIssuer};
use hallpass_testkit::{TestIssuer, TestServer};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::java::SpringBoot;
use crate::{Seen, send, service_token};

const SECRET: &str = "Secret123!";
const BILLING: &str = "service-billing";
/// A service whose tokens have the usual form, and whose verifier is changed as the guide says.
const USUAL: &str = "usual";

#[feign_client(name = "service-billing")]
trait Billing {
    #[get("/whoami")]
    async fn whoami(&self) -> Result<Value, FeignError>;
}

/// Spring's resource server of this name for these keys, with further properties.
fn resource_server(name: &str, jwks_url: &str, further: &[String]) -> Option<SpringBoot> {
    let below = "spring.security.oauth2.resourceserver.jwt";
    let ours = [
        format!("{below}.jwk-set-uri={jwks_url}"),
        format!("{below}.audiences={name}"),
        format!("{below}.issuer-uri=internal"),
    ];
    SpringBoot::start("resource-server", 0, &[&ours, further].concat())
}

/// A client that makes proofs of possession, and a thief.
struct Prover(DpopKey);

impl Prover {
    fn new() -> Self {
        Self(DpopKey::generate(Algorithm::Es256).unwrap())
    }

    fn proof(&self, method: &str, url: &str, access_token: Option<&str>) -> String {
        let uri = DpopUri::parse(url).unwrap();
        let request = DpopRequest {
            method,
            uri: &uri,
            access_token,
            nonce: None,
        };
        let now = UnixTime::from(SystemClock::new().now());
        self.0.prove(&request, now).unwrap()
    }

    /// A token that is bound to the key.
    async fn token(&self, issuer: &TestIssuer) -> String {
        let url = issuer.token_url();
        let form = format!(
            "grant_type=client_credentials&client_id=order-service&client_secret={SECRET}&audience={BILLING}"
        );
        let request = Request::post(&url)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("dpop", self.proof("POST", &url, None));
        let seen = send(request.body(Body::from(form)).unwrap()).await;
        let said: Value = serde_json::from_str(&seen.body).unwrap();
        assert_eq!(said.get("token_type"), Some(&json!("DPoP")), "{said}");
        said.get("access_token")
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    }
}

/// What `server` makes of a call with this header and this proof: the status, and its first challenge.
async fn judged(
    server: &SpringBoot,
    authorization: &str,
    proof: Option<&str>,
) -> (StatusCode, String) {
    let mut request = Request::get(server.url("/whoami")).header(AUTHORIZATION, authorization);
    if let Some(proof) = proof {
        request = request.header("dpop", proof);
    }
    let request = request.body(Body::empty()).unwrap();
    let response = HttpTransport::new()
        .unwrap()
        .oneshot(request)
        .await
        .unwrap();
    let challenge = response.headers().get(WWW_AUTHENTICATE);
    let challenge = challenge.map(|it| it.to_str().unwrap().to_owned());
    (response.status(), challenge.unwrap_or_default())
}

/// A service here whose calls carry bound tokens.
fn caller(issuer: &TestIssuer, billing: &SpringBoot) -> FeignBilling {
    let yaml = format!(
        "
hallpass:
  service: {{ name: order-service }}
  discovery: {{ static: {{ {BILLING}: ['{}'] }} }}
  internal-token:
    client-id: order-service
    client-secret: {SECRET}
    token-url: '{}'
    dpop: true
",
        billing.url("").trim_start_matches("http://"),
        issuer.token_url()
    );
    let loader = Loader::new("hallpass").text("caller", yaml);
    let settings = loader.load::<Settings>().unwrap().into_settings();
    let hallpass = Hallpass::from_settings(&settings).unwrap();
    FeignBilling::new(hallpass.feign()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stock_spring_resource_server_takes_a_bound_token_with_its_proofs() {
    let issuer = TestIssuer::builder()
        .audience(AudienceSettings::spring(BILLING))
        .client("order-service", SECRET, "internal-service", BILLING)
        .start()
        .await
        .unwrap();
    let Some(billing) = resource_server(BILLING, &issuer.jwks_url(), &[]) else {
        return;
    };
    let client = caller(&issuer, &billing);
    for _ in 0..2 {
        let seen = client.whoami().await.unwrap();
        assert_eq!(seen.get("name"), Some(&json!("order-service")), "{seen}");
    }
    assert_eq!(issuer.tokens_issued(), 1, "one token, and a proof a call");

    let (owner, thief) = (Prover::new(), Prover::new());
    let token = owner.token(&issuer).await;
    let bound = format!("DPoP {token}");
    let url = billing.url("/whoami");
    let own = owner.proof("GET", &url, Some(&token));
    let taken = judged(&billing, &bound, Some(&own)).await;
    assert_eq!(taken.0, StatusCode::OK, "{taken:?}");
    let elsewhere = owner.proof("GET", "http://127.0.0.1:1/whoami", Some(&token));
    for (what, proof) in [
        ("no proof", None),
        ("a proof that came before", Some(own)),
        (
            "a thief's proof",
            Some(thief.proof("GET", &url, Some(&token))),
        ),
        (
            "a proof for another method",
            Some(owner.proof("POST", &url, Some(&token))),
        ),
        ("a proof for another address", Some(elsewhere)),
        (
            "a proof without the token",
            Some(owner.proof("GET", &url, None)),
        ),
    ] {
        let (status, challenge) = judged(&billing, &bound, proof.as_deref()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{what}: {challenge}");
    }
    // Neither is a bound token good as another one is, nor another one as a bound one.
    let (status, challenge) = judged(&billing, &format!("Bearer {token}"), None).await;
    assert_eq!(
        status,
        StatusCode::UNAUTHORIZED,
        "as a bearer token: {challenge}"
    );
    let unbound = service_token(&issuer.token_url(), "order-service", SECRET, "").await;
    let proof = owner.proof("GET", &url, Some(&unbound));
    let (status, _) = judged(&billing, &format!("DPoP {unbound}"), Some(&proof)).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "an unbound token");
}

/// An issuer that asks for certificates, and its keys where Spring reads them without TLS.
struct Estate {
    folder: tempfile::TempDir,
    issuer: RunningIssuer,
    keys: TestServer,
}

impl Estate {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Estate CA");
        std::fs::write(folder.path().join("ca.crt"), authority.pem()).unwrap();
        for (file, name) in [
            ("issuer", "127.0.0.1"),
            ("callee", "127.0.0.1"),
            ("order", "order.example"),
            ("thief", "thief.example"),
        ] {
            let _settings = authority.certificate(&[name]).write(folder.path(), file);
        }
        let yaml = format!(
            "
hallpass:
  issuer:
    listen: 127.0.0.1:0
    store: issuer.db
    tls: {{ certificate-file: issuer.crt, private-key-file: issuer.key, client-auth: want, client-ca-file: ca.crt }}
    audiences: [{{ name: {BILLING}, profile: spring }}]
    clients:
      - client-id: order-service
        token-endpoint-auth-method: tls_client_auth
        tls-client-auth-san-dns: order.example
        tls-client-certificate-bound-access-tokens: true
        audiences: [{BILLING}, {USUAL}]
"
        );
        let file = folder.path().join("issuer.yaml");
        std::fs::write(&file, yaml).unwrap();
        let settings = Loader::new("hallpass").file(file).load::<IssuerSettings>();
        let settings = settings.unwrap().into_settings();
        let issuer = IssuerServer::start(&settings, Arc::new(SystemClock::new())).await;
        let issuer = issuer.unwrap();
        let jwks = issuer.jwks();
        let keys = Router::new().route("/oauth2/jwks", get(async move || jwks.to_vec()));
        let keys = TestServer::start(keys).await.unwrap();
        Self {
            folder,
            issuer,
            keys,
        }
    }

    /// A Spring program that asks for certificates too.
    fn callee(&self, name: &str, profile: &str) -> Option<SpringBoot> {
        let file = |name: &str| format!("file:{}", self.folder.path().join(name).display());
        let further = [
            format!("server.ssl.certificate={}", file("callee.crt")),
            format!("server.ssl.certificate-private-key={}", file("callee.key")),
            format!("server.ssl.trust-certificate={}", file("ca.crt")),
            "server.ssl.client-auth=want".to_owned(),
            format!("spring.profiles.active={profile}"),
        ];
        resource_server(name, &self.keys.url("/oauth2/jwks"), &further)
    }

    /// A token that is bound to the certificate of order-service.
    async fn token(&self, audience: &str) -> String {
        let form =
            format!("grant_type=client_credentials&client_id=order-service&audience={audience}");
        let request = Request::post(self.issuer.url("/oauth2/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Body::from(form));
        let seen = self.send(Some("order"), request.unwrap()).await;
        assert_eq!(seen.status, StatusCode::OK, "{}", seen.body);
        let said: Value = serde_json::from_str(&seen.body).unwrap();
        said.get("access_token")
            .and_then(Value::as_str)
            .unwrap()
            .to_owned()
    }

    /// Sends it over a connection that shows the pair of files of this name, or none.
    async fn send(&self, pair: Option<&str>, request: Request<Body>) -> Seen {
        let transport = transport(self.folder.path(), pair);
        let response = transport.oneshot(request).await.unwrap();
        let status = response.status();
        let body = response
            .into_body()
            .collect_within(64 * 1024)
            .await
            .unwrap();
        let body = String::from_utf8_lossy(&body).into_owned();
        Seen { status, body }
    }

    async fn judged(&self, callee: &SpringBoot, pair: Option<&str>, token: &str) -> StatusCode {
        let url = callee.url("/whoami").replace("http://", "https://");
        let request = Request::get(url).header(AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::empty()).unwrap();
        self.send(pair, request).await.status
    }
}

fn transport(folder: &Path, pair: Option<&str>) -> HttpTransport {
    let file = |name: String| folder.join(name);
    let settings = ClientTlsSettings {
        system_roots: false,
        ca_file: Some(file("ca.crt".to_owned())),
        key_pair: pair.map(|pair| KeyPairSettings {
            certificate_file: file(format!("{pair}.crt")),
            private_key_file: file(format!("{pair}.key")),
        }),
    };
    let clock = Arc::new(SystemClock::new());
    let tls = ClientTls::load(&settings, clock, &TlsMetrics::default()).unwrap();
    HttpTransport::builder().followed_tls(tls).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spring_resource_server_takes_a_token_over_connections_with_its_certificate_alone() {
    let estate = Estate::start().await;
    // As it comes, and with the decoder of the guide.
    for (name, profile) in [(BILLING, "stock"), (USUAL, "at-jwt")] {
        let Some(callee) = estate.callee(name, profile) else {
            return;
        };
        let token = estate.token(name).await;
        let seen = estate.judged(&callee, Some("order"), &token).await;
        assert_eq!(seen, StatusCode::OK, "{profile}");
        for pair in [Some("thief"), None] {
            let seen = estate.judged(&callee, pair, &token).await;
            assert_eq!(seen, StatusCode::UNAUTHORIZED, "{profile} {pair:?}");
        }
    }
}
