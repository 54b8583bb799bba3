//! reqwest's client with our middleware: the identities of every other call, before a real protected service.

use std::time::Duration;

use axum::Router;
use axum::body::Body as AxumBody;
use axum::middleware::from_fn;
use axum::routing::any;
use hallpass::client::context::{CallContext, scope_all};
use hallpass::config::Loader;
use hallpass::feign::{CallerBuilder, FeignError, Identity};
use hallpass::prelude::*;
use hallpass_issuer::IssuerSettings;
use hallpass_reqwest::client_builder;
use hallpass_testkit::{TestIssuer, TestServer};
use http::StatusCode;
use reqwest_middleware::{ClientWithMiddleware, Error};
use tempfile::TempDir;

use crate::alice::{USERS_KEY, alice, load};
use crate::arrived::{Arrived, INVALID, note};

const ISSUER: &str = "
hallpass:
  issuer:
    clients:
      - client-id: order-service
        client-secret: OrderSecret123!
        grant-types: ['client_credentials', 'urn:ietf:params:oauth:grant-type:token-exchange']
        scopes: [stock]
        audiences: [stock-service]
        exchange:
          - { subject-kinds: user, targets: stock-service, scopes: stock }
";
/// The subject, who acts for it, and what was sent.
async fn seen(body: String) -> String {
    let Some(caller) = hallpass::current() else {
        return format!("nobody {body}");
    };
    let actor = caller.claims().actor.as_ref();
    let actor = actor.map_or(String::new(), |actor| format!(" by {}", actor.subject));
    format!("{}{actor} {body}", caller.subject())
}

pub(crate) struct Estate {
    folder: TempDir,
    issuer: TestIssuer,
    pub(crate) stock: TestServer,
    pub(crate) arrived: Arrived,
}

impl Estate {
    pub(crate) async fn start() -> Self {
        let settings = Loader::new("hallpass").text("issuer", ISSUER);
        let settings = settings.load::<IssuerSettings>().unwrap().into_settings();
        let issuer = TestIssuer::of(settings).start().await.unwrap();
        issuer.import_key(USERS_KEY).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let yaml = format!(
            "
hallpass:
  service: {{ name: stock-service }}
  security: {{ internal-jwt: {{ jwks-url: '{}' }} }}
",
            issuer.jwks_url()
        );
        let hallpass = load(folder.path(), &yaml);
        let guard = hallpass
            .resource_server()
            .route_any("/open/**", Rule::Anonymous)
            .route_any("/items/**", Rule::Authenticated)
            .build()
            .unwrap();
        let arrived = Arrived::default();
        let noted = arrived.clone();
        let router = Router::new()
            .route("/open/{id}", any(seen))
            .route("/items/{id}", any(seen))
            .layer(guard.layer())
            .layer(from_fn(move |request, next| {
                note(noted.clone(), request, next)
            }));
        Self {
            folder,
            issuer,
            stock: TestServer::start(router).await.unwrap(),
            arrived,
        }
    }

    /// The order service, whose caller of the stock service is at `url`.
    pub(crate) fn caller(&self, url: &str, identity: Identity) -> CallerBuilder {
        let yaml = format!(
            "
hallpass:
  service: {{ name: order-service }}
  context: {{ headers: [X-Tenant-Id] }}
  internal-token: {{ client-id: order-service, client-secret: OrderSecret123!, scope: stock, token-url: '{}' }}
  feign: {{ clients: {{ stock-service: {{ url: '{url}', deadline-ms: 20000 }} }} }}
",
            self.issuer.token_url(),
        );
        let hallpass = load(self.folder.path(), &yaml);
        hallpass.feign().caller("stock-service").identity(identity)
    }

    pub(crate) fn client(&self, identity: Identity) -> ClientWithMiddleware {
        client(self.caller(&self.stock.url(""), identity))
    }
}

/// As the documentation says.
pub(crate) fn client(caller: CallerBuilder) -> ClientWithMiddleware {
    with(reqwest::Client::builder(), caller)
}

pub(crate) fn with(client: reqwest::ClientBuilder, caller: CallerBuilder) -> ClientWithMiddleware {
    let client = client_builder(client, caller.build().unwrap());
    client.build().unwrap()
}

/// Why our side has refused.
pub(crate) fn code(error: &Error) -> &'static str {
    match error {
        Error::Middleware(error) => error
            .downcast_ref::<FeignError>()
            .map_or("other", FeignError::code),
        Error::Reqwest(_) => "reqwest",
    }
}

#[tokio::test]
async fn reqwest_carries_each_identity() {
    let estate = Estate::start().await;
    for (identity, audience, path, expected) in [
        (
            Identity::Service,
            "order-service",
            "/items/7",
            "order-service x",
        ),
        (Identity::Relay, "stock-service", "/items/7", "alice x"),
        (
            Identity::Exchange,
            "order-service",
            "/items/7",
            "alice by order-service x",
        ),
        (Identity::None, "order-service", "/open/7", "nobody x"),
    ] {
        let request = estate
            .client(identity)
            .post(estate.stock.url(path))
            .body("x");
        // Whatever the program says by itself, it speaks for nobody else.
        let request = request.bearer_auth("of-somebody").header("dpop", "x");
        let response = hallpass::scope(alice(audience, "stock"), request.send())
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{identity:?}");
        assert_eq!(response.text().await.unwrap(), expected, "{identity:?}");
    }
    for headers in estate.arrived.all() {
        assert!(!headers.contains_key("dpop"));
        assert!(headers.get_all("authorization").iter().count() <= 1);
    }
    // By the extensions of a request, where it leaves the task of its caller.
    let client = estate.client(Identity::Relay);
    let request = client.get(estate.stock.url("/items/7"));
    let request = request.with_extension(alice("stock-service", "stock"));
    let response = tokio::spawn(request.send()).await.unwrap().unwrap();
    assert_eq!(response.text().await.unwrap(), "alice ");
}

#[tokio::test]
async fn a_request_without_its_identity_is_not_sent() {
    let estate = Estate::start().await;
    for identity in [Identity::Relay, Identity::Exchange] {
        let request = estate.client(identity).get(estate.stock.url("/items/7"));
        let error = request.send().await.unwrap_err();
        assert_eq!(code(&error), "no_identity", "{identity:?}");
    }
    assert!(estate.arrived.all().is_empty());
}

#[tokio::test]
async fn a_request_says_how_long_it_is_waited_for_and_what_it_belongs_to() {
    let estate = Estate::start().await;
    let context = CallContext::default()
        .with_identity(alice("stock-service", "stock"))
        .with_header("x-tenant-id".parse().unwrap(), "north".parse().unwrap());
    let client = estate.client(Identity::Relay);
    let sending = client.get(estate.stock.url("/items/7")).send();
    let response = scope_all(context, sending).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let headers = estate.arrived.only();
    let left: u64 = headers["x-request-timeout-ms"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=20_000).contains(&left), "{left}");
    assert_eq!(headers["x-tenant-id"], "north");
    assert!(headers.contains_key("traceparent"));
}

#[tokio::test]
async fn interceptors_of_the_caller_see_what_reqwest_sends() {
    let estate = Estate::start().await;
    let caller = estate.caller(&estate.stock.url(""), Identity::None);
    let caller = caller.intercept(|call| {
        let body = call
            .body()
            .map(|body| String::from_utf8_lossy(&body).into_owned());
        call.set_header("x-signed", &format!("{} {body:?}", call.uri().path()))
    });
    let client = client(caller);
    let url = estate.stock.url("/open/7");
    client.post(&url).body("tea").send().await.unwrap();
    client.get(&url).send().await.unwrap();
    let stream = reqwest::Body::wrap(http_body_util::Full::new(bytes::Bytes::from("x")));
    client.post(&url).body(stream).send().await.unwrap();
    let signed: Vec<_> = estate
        .arrived
        .all()
        .iter()
        .map(|it| it["x-signed"].clone())
        .collect();
    assert_eq!(
        signed,
        [
            "/open/7 Some(\"tea\")",
            "/open/7 Some(\"\")",
            "/open/7 None"
        ]
    );
}

#[tokio::test]
async fn a_refused_token_is_dropped_and_the_request_sent_once_more_where_its_body_is_there() {
    let estate = Estate::start().await;
    let client = estate.client(Identity::Service);
    let request = client
        .post(estate.stock.url("/items/refused"))
        .body("again");
    let response = request.send().await.unwrap();
    assert_eq!(response.text().await.unwrap(), "order-service again");
    let tokens: Vec<_> = estate.arrived.all();
    assert_eq!(tokens.len(), 2);
    assert_ne!(tokens[0]["authorization"], tokens[1]["authorization"]);
    assert_eq!(estate.issuer.tokens_issued(), 2);

    let estate = Estate::start().await;
    let client = estate.client(Identity::Service);
    let stream = reqwest::Body::wrap(http_body_util::Full::new(bytes::Bytes::from("once")));
    let request = client.post(estate.stock.url("/items/refused")).body(stream);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "as it came");
    assert_eq!(response.headers()["www-authenticate"], INVALID);
    assert_eq!(estate.arrived.all().len(), 1);
}

#[tokio::test]
async fn a_deadline_ends_a_request_and_failures_of_reqwest_stay_its_own() {
    let estate = Estate::start().await;
    let silent = || async { std::future::pending::<AxumBody>().await };
    let silent = TestServer::start(Router::new().fallback(any(silent))).await;
    let silent = silent.unwrap();
    let caller = estate.caller("https://nobody.example", Identity::Service);
    let url = silent.url("").parse().unwrap();
    // That of the settings is another: the builder goes over them.
    let request = client(caller.url(url)).get(silent.url("/"));
    let waited = scope_all(
        CallContext::default()
            .with_deadline(tokio::time::Instant::now() + Duration::from_millis(200)),
        request.send(),
    );
    assert_eq!(code(&waited.await.unwrap_err()), "deadline");
    // Port 1 of loopback refuses.
    let nowhere = "http://127.0.0.1:1";
    let request = client(estate.caller(nowhere, Identity::Service)).get(nowhere);
    let error = request.send().await.unwrap_err();
    assert!(error.is_connect(), "{error}");
}
