//! The services here of the estate: their documents and neighbours are in Nacos.

use std::net::SocketAddr;

use axum::response::{IntoResponse as _, Response};
use axum::{Json, Router, routing::get};
use hallpass::Settings;
use hallpass::config::Loader;
use hallpass::nacos::{Nacos, Registration};
use hallpass::prelude::*;
use hallpass_testkit::TestServer;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::documents::{EDGE, SECRETS, STOCK};
use crate::nacos::NacosServer;

/// `orders`, for the user by her own token.
#[feign_client(name = "orders", path = "/orders", identity = "relay")]
trait Relayed {
    #[get("/{number}/relayed")]
    async fn order(&self, number: u64) -> Result<Value, FeignError>;
}

/// `orders`, for the user by a token that says who acts for her.
#[feign_client(
    name = "orders",
    path = "/orders",
    identity = "exchange",
    scope = "orders:read"
)]
trait Exchanged {
    #[get("/{number}/relayed")]
    async fn order(&self, number: u64) -> Result<Value, FeignError>;
}

/// `orders`, by `edge` itself.
#[feign_client(name = "orders", path = "/orders")]
trait Own {
    #[get("/{number}/own")]
    async fn order(&self, number: u64) -> Result<Value, FeignError>;
}

/// A service that follows its document.
pub(super) struct Service {
    server: TestServer,
    registration: Option<Registration>,
    following: JoinHandle<()>,
}

impl Service {
    /// With these further keys beside those of Nacos, and these routes behind its guard.
    async fn start(
        nacos: &NacosServer,
        keys: &str,
        router: impl FnOnce(&Hallpass) -> Router,
    ) -> Self {
        let text = format!(
            "hallpass:\n  nacos: {{ server-addr: '{}', config: {{ data-ids: [{}] }} }}\n  {keys}",
            nacos.address(),
            if keys.contains("name: edge") {
                EDGE
            } else {
                STOCK
            },
        );
        let loader = Loader::new("hallpass").text("file", text);
        let nacos = Nacos::start(loader.environment(SECRETS)).await.unwrap();
        let mut reloader = nacos.reloader().unwrap();
        let settings = reloader.load::<Settings>().unwrap().into_settings();
        let hallpass = Hallpass::builder(&settings).nacos(&nacos).build().unwrap();
        let guard = hallpass.resource_server().build().unwrap();
        let router = router(&hallpass).layer(guard.layer());
        let server = TestServer::start(router).await.unwrap();
        let port = server.address().port();
        let registration = nacos.register(&settings, port).await.unwrap();
        let following = tokio::spawn(async move {
            hallpass.follow(reloader).await;
            drop(nacos);
        });
        Self {
            server,
            registration,
            following,
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    pub(super) async fn stop(self) {
        if let Some(registration) = self.registration {
            registration.withdraw().await;
        }
        self.following.abort();
        self.server.stop().await;
    }
}

/// The last one that is called. It says whom it sees, and on which thread the caller says that it called.
pub(super) async fn stock(nacos: &NacosServer) -> Service {
    let keys = "service: { name: stock }
  discovery: { nacos: { register: { deregister-wait-ms: 1 } } }
  security: { internal-jwt: { routes: [{ path: /stock/**, rule: authenticated }] } }
";
    let item = get(async |caller: Caller, headers: HeaderMap| {
        let mut seen = serde_json::to_value(caller.claims()).unwrap();
        let thread = headers.get("x-thread").and_then(|it| it.to_str().ok());
        let seen_by_name = seen.as_object_mut().unwrap();
        seen_by_name.insert("thread".to_owned(), json!(thread));
        Json(seen)
    });
    Service::start(nacos, keys, |_| Router::new().route("/stock/7", item)).await
}

/// The first one that is called, by users. Nothing is tried twice, so that what fails is seen.
pub(super) async fn edge(nacos: &NacosServer, login: &str) -> Service {
    let keys = format!(
        "service: {{ name: edge }}
  discovery: {{ nacos: {{ register: false }} }}
  feign: {{ defaults: {{ deadline-ms: 30000, retry: {{ max-attempts: 1 }} }} }}
  security:
    internal-jwt:
      issuers: [{{ name: login, preset: spring, issuer: '{login}', jwks-url: '{login}/oauth2/jwks', audience: web-shop, dangerous-accept-untyped: true }}]
      routes: [{{ path: /relayed, rule: authenticated }}, {{ path: /exchanged, rule: authenticated }}, {{ path: /own, rule: authenticated }}]
"
    );
    let router = |hallpass: &Hallpass| {
        let relayed = BoxRelayed::new(FeignRelayed::new(hallpass.feign()).unwrap());
        let exchanged = BoxExchanged::new(FeignExchanged::new(hallpass.feign()).unwrap());
        let own = BoxOwn::new(FeignOwn::new(hallpass.feign()).unwrap());
        let relayed = get(async move |user: CurrentUser| said(&user, relayed.order(7).await));
        let exchanged = get(async move |user: CurrentUser| said(&user, exchanged.order(7).await));
        let own = get(async move |user: CurrentUser| said(&user, own.order(7).await));
        Router::new()
            .route("/relayed", relayed)
            .route("/exchanged", exchanged)
            .route("/own", own)
    };
    Service::start(nacos, &keys, router).await
}

fn said(user: &CurrentUser, orders: Result<Value, FeignError>) -> Response {
    match orders {
        Ok(orders) => {
            Json(json!({ "user": user.subject().to_string(), "orders": orders })).into_response()
        }
        Err(error) => {
            let text = format!("{}: {error}", error.code());
            (StatusCode::BAD_GATEWAY, text).into_response()
        }
    }
}
