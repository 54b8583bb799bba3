//! A caller and an internal-only callee around one issuer, on a clock that the test drives.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::{Router, routing::get};
use hallpass::Settings;
use hallpass::clock::Clock;
use hallpass::config::Loader;
use hallpass::prelude::*;
use hallpass::token::{Audience, Scope};
use hallpass_testkit::{ManualClock, TestIssuer, TestServer};

/// `service-system`, called with the caller's own token.
#[feign_client(name = "service-system", identity = "service")]
pub(crate) trait System {
    #[get("/internal/report")]
    async fn report(&self) -> Result<String, FeignError>;
}

pub(crate) struct Services {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) caller: Hallpass,
    pub(crate) system: BoxSystem,
    _callee: TestServer,
}

impl Services {
    /// Both services; `issuer` is where they look for it (a fault proxy, perhaps).
    pub(crate) async fn start(clock: Arc<ManualClock>, issuer: SocketAddr) -> Self {
        let callee = Self::part(&clock, &settings(&callee_yaml(issuer)));
        let guard = callee.resource_server().build().unwrap();
        let report = get(async |caller: Caller| axum::Json(caller.subject().to_string()));
        let router = Router::new()
            .route("/internal/report", report)
            .layer(guard.layer());
        let callee = TestServer::start(router).await.unwrap();
        let caller = Self::part(&clock, &settings(&caller_yaml(issuer, callee.address())));
        let system = BoxSystem::new(FeignSystem::new(caller.feign()).unwrap());
        Self {
            clock,
            caller,
            system,
            _callee: callee,
        }
    }

    fn part(clock: &Arc<ManualClock>, settings: &Settings) -> Hallpass {
        let clock: Arc<dyn Clock> = Arc::clone(clock) as Arc<dyn Clock>;
        Hallpass::builder(settings).clock(clock).build().unwrap()
    }

    /// The caller forgets its token.
    pub(crate) async fn forget_token(&self) {
        let (audience, scope) = target();
        self.caller.tokens().evict(&audience, &scope).await;
    }
}

/// What the caller's token is for.
pub(crate) fn target() -> (Audience, Scope) {
    (
        TestIssuer::AUDIENCE.parse().unwrap(),
        TestIssuer::SCOPE.parse().unwrap(),
    )
}

fn settings(yaml: &str) -> Settings {
    Loader::new("hallpass")
        .text("test", yaml)
        .load()
        .unwrap()
        .into_settings()
}

fn callee_yaml(issuer: SocketAddr) -> String {
    format!(
        r#"
hallpass:
  service: {{ name: service-system }}
  security:
    internal-jwt:
      issuer: internal
      jwks-url: "http://{issuer}/oauth2/jwks"
      internal-only: {{ paths: [/internal/**] }}
"#
    )
}

fn caller_yaml(issuer: SocketAddr, callee: SocketAddr) -> String {
    format!(
        r#"
hallpass:
  service: {{ name: order-service }}
  discovery: {{ static: {{ service-system: ["{callee}"] }} }}
  internal-token:
    client-id: {id}
    client-secret: "{secret}"
    token-url: "http://{issuer}/oauth2/token"
    scope: {scope}
"#,
        id = TestIssuer::CLIENT_ID,
        secret = TestIssuer::CLIENT_SECRET,
        scope = TestIssuer::SCOPE,
    )
}
