use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, Uri};
use axum::routing::{any, get};
use hallpass_clock::ManualClock;
use hallpass_resource::{
    Caller, KeyLimits, KeySource, ResourceServer, ResourceServerBuilder, Rule, TrustedIssuer,
};
use hallpass_upstream::{HttpTransport, Network, StaticDiscovery};
use http::Method;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::{FakeIssuer, Forge};

/// A protected service on loopback.
pub(crate) struct App {
    pub(crate) address: SocketAddr,
    pub(crate) server: ResourceServer,
}

/// What the tests usually start from.
pub(crate) struct AppBuilder {
    pub(crate) server: ResourceServerBuilder,
    clock: Arc<ManualClock>,
}

impl AppBuilder {
    /// The service `shop` with rules and without issuers.
    pub(crate) fn new(clock: &Arc<ManualClock>) -> Self {
        let server = ResourceServer::builder("shop", clock.clone())
            .route_any("/health", Rule::Anonymous)
            .route_any("/maybe", Rule::Anonymous)
            .route_any("/whoami", Rule::Authenticated)
            .route_any("/headers", Rule::Anonymous)
            .route(
                Method::GET,
                "/orders/{id}",
                Rule::all_scopes("orders".parse().unwrap()),
            )
            .route_any("/either", Rule::any_scope("orders stock".parse().unwrap()))
            .route_any(
                "/internal/**",
                Rule::InternalOnly("internal-service".parse().unwrap()),
            );
        Self {
            server,
            clock: Arc::clone(clock),
        }
    }

    /// Trusts an issuer whose keys are fetched.
    pub(crate) fn trusting(self, issuer: &FakeIssuer, forge: &Forge) -> Self {
        self.trusting_within(issuer, forge, KeyLimits::default())
    }

    pub(crate) fn trusting_within(
        mut self,
        issuer: &FakeIssuer,
        forge: &Forge,
        limits: KeyLimits,
    ) -> Self {
        let keys = key_source(issuer, &self.clock, limits);
        self.server = self.server.issuer(trusted(forge.issuer, keys).internal());
        self
    }

    /// Trusts an issuer whose keys are known and never change.
    pub(crate) fn trusting_fixed(mut self, forge: &Forge) -> Self {
        let keys = KeySource::fixed(forge.keys(), self.clock.clone());
        self.server = self.server.issuer(trusted(forge.issuer, keys).internal());
        self
    }

    pub(crate) fn with(
        mut self,
        change: impl FnOnce(ResourceServerBuilder) -> ResourceServerBuilder,
    ) -> Self {
        self.server = change(self.server);
        self
    }

    pub(crate) async fn start(self) -> App {
        self.start_with(routes()).await
    }

    pub(crate) async fn start_with(self, routes: Router) -> App {
        let server = self.server.build().unwrap();
        let app = routes.layer(server.layer());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        App { address, server }
    }
}

impl App {
    /// All metrics, as they are served.
    pub(crate) fn metrics_text(&self) -> String {
        let mut registry = Registry::default();
        self.server.metrics().register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    /// The value of the one metric line that begins so, or 0 without such a line.
    pub(crate) fn metric(&self, line: &str) -> f64 {
        let text = self.metrics_text();
        let value = text
            .lines()
            .find_map(|it| it.strip_prefix(line)?.strip_prefix(' '));
        value.map_or(0.0, |value| value.parse().unwrap())
    }
}

pub(crate) fn trusted(issuer: &str, keys: KeySource) -> TrustedIssuer {
    TrustedIssuer::new(issuer.parse().unwrap(), "shop".parse().unwrap(), keys)
}

pub(crate) fn key_source(
    issuer: &FakeIssuer,
    clock: &Arc<ManualClock>,
    limits: KeyLimits,
) -> KeySource {
    KeySource::http(issuer.url(), &network(clock), limits)
}

/// The way to issuers on loopback.
pub(crate) fn network(clock: &Arc<ManualClock>) -> Network {
    let discovery = Arc::new(StaticDiscovery::new());
    Network::new(HttpTransport::new().unwrap(), discovery, clock.clone())
}

/// Handlers that show what they see.
pub(crate) fn routes() -> Router {
    let whoami = |caller: Option<Caller>| async move {
        caller.map_or_else(
            || "nobody".to_owned(),
            |caller| caller.subject().to_string(),
        )
    };
    let headers = |headers: HeaderMap| async move { format!("{headers:?}") };
    let path = |uri: Uri| async move { uri.path().to_owned() };
    Router::new()
        .route("/health", get(|| async { "up" }))
        .route("/maybe", any(whoami))
        .route("/whoami", any(whoami))
        .route("/either", any(whoami))
        .route("/headers", any(headers))
        .route("/orders/{id}", any(path))
        .route("/internal/{*rest}", any(whoami))
        .route("/unlisted", any(|| async { "a route without a rule" }))
        .fallback(|uri: Uri| async move { format!("fallback {}", uri.path()) })
}
