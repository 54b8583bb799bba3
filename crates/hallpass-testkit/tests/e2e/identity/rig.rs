//! A protected service whose handler is the test, and an upstream that remembers who called it.

use std::future::Future;
use std::net::SocketAddr;

use axum::response::{IntoResponse, Response};
use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::upstream::{Body, HttpTransport};
use hallpass_testkit::{TestIdentityProvider, TestServer, Upstream};
use http::request::Parts;
use http::{Request, StatusCode};
use tower::ServiceExt;

/// The upstream, called with the token of the current caller.
#[feign_client(name = "upstream", identity = "relay")]
pub(crate) trait Echo {
    #[get("/whoami")]
    async fn whoami(&self) -> Result<String, FeignError>;
}

/// What a handler under test can use.
#[derive(Clone)]
pub(crate) struct Kit {
    pub(crate) hallpass: Hallpass,
    pub(crate) echo: BoxEcho,
    pub(crate) upstream: SocketAddr,
}

pub(crate) struct Rig {
    pub(crate) kit: Kit,
    pub(crate) upstream: Upstream,
    users: TestIdentityProvider,
    service: TestServer,
    transport: HttpTransport,
}

/// What the service answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: String,
}

impl Rig {
    /// A service that answers every request, with or without a token, by `handler`.
    pub(crate) async fn start<H, F, R>(handler: H) -> Self
    where
        H: Fn(Kit) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = R> + Send,
        R: IntoResponse,
    {
        Self::with_upstream(|_parts| axum::Json("fine").into_response(), handler).await
    }

    /// As [`Rig::start`], with an upstream that answers by `answer`.
    pub(crate) async fn with_upstream<A, H, F, R>(answer: A, handler: H) -> Self
    where
        A: Fn(&Parts) -> Response + Clone + Send + Sync + 'static,
        H: Fn(Kit) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = R> + Send,
        R: IntoResponse,
    {
        let users = TestIdentityProvider::start().await.unwrap();
        let upstream = Upstream::start(answer).await.unwrap();
        let settings = Loader::new("hallpass").text("rig", yaml(&users, upstream.address()));
        let hallpass =
            Hallpass::from_settings(settings.load::<Settings>().unwrap().settings()).unwrap();
        let echo = BoxEcho::new(FeignEcho::new(hallpass.feign()).unwrap());
        let guard = hallpass
            .resource_server()
            .route_any("/", Rule::Anonymous)
            .build()
            .unwrap();
        let kit = Kit {
            hallpass,
            echo,
            upstream: upstream.address(),
        };
        let for_handler = kit.clone();
        let handler = get(move || handler(for_handler.clone()));
        let router = Router::new().route("/", handler).layer(guard.layer());
        let service = TestServer::start(router).await.unwrap();
        let transport = HttpTransport::new().unwrap();
        Self {
            kit,
            upstream,
            users,
            service,
            transport,
        }
    }

    /// The token of `user`.
    pub(crate) fn token(&self, user: &str) -> String {
        let now = SystemClock::new().now().into();
        self.users.token(user, now).unwrap().expose().to_owned()
    }

    /// Calls the service with `token`, or without any.
    pub(crate) async fn call(&self, token: Option<&str>) -> Answer {
        let mut request = Request::get(self.service.url("/"));
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.transport.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response
            .into_body()
            .collect_within(1_000_000)
            .await
            .unwrap();
        Answer {
            status,
            body: String::from_utf8(body.to_vec()).unwrap(),
        }
    }

    /// The `Authorization` headers that the upstream saw, a list for each request.
    pub(crate) fn seen(&self) -> Vec<Vec<String>> {
        self.upstream
            .seen()
            .into_iter()
            .map(|request| request.authorization)
            .collect()
    }

    /// Alice calls; the upstream must see her token, once per request, in `requests` requests.
    pub(crate) async fn assert_relayed(&self, requests: usize) {
        let token = self.token("alice");
        let answer = self.call(Some(&token)).await;
        assert_eq!(
            answer,
            Answer {
                status: StatusCode::OK,
                body: "fine".to_owned()
            }
        );
        assert_eq!(self.seen(), vec![vec![format!("Bearer {token}")]; requests]);
    }

    /// Alice calls; the handler's own call must fail for lack of an identity, with nothing sent.
    pub(crate) async fn assert_nobody_found(&self) {
        let answer = self.call(Some(&self.token("alice"))).await;
        assert_eq!(answer.body, "no_identity");
        assert_eq!(self.seen(), Vec::<Vec<String>>::new());
    }
}

/// The outcome of a call as the service's answer.
pub(crate) fn outcome(result: Result<String, FeignError>) -> Response {
    match result {
        Ok(text) => text.into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.code()).into_response(),
    }
}

fn yaml(users: &TestIdentityProvider, upstream: SocketAddr) -> String {
    format!(
        r#"
hallpass:
  service: {{ name: service }}
  discovery: {{ static: {{ upstream: ["{upstream}"] }} }}
  security:
    internal-jwt:
      issuers:
        - {{ name: users, issuer: "{issuer}", audience: {audience}, jwks-url: "{jwks}" }}
"#,
        issuer = TestIdentityProvider::ISSUER,
        audience = TestIdentityProvider::AUDIENCE,
        jwks = users.jwks_url(),
    )
}
