//! Everything that the demo runs, and how a customer calls it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass::BoxError;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Loader;
use hallpass::feign::FinishedCall;
use hallpass::token::{AccessToken, UnixTime};
use hallpass::upstream::{Body, HttpTransport};
use hallpass_issuer::{IssuerServer, IssuerSettings, KeyPlace, RunningIssuer};
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use serde_json::Value;
use shop::identity_provider::IdentityProvider;
use shop::{SERVICE_AUTH_YAML, Shop, Sockets};
use tempfile::TempDir;
use tower::ServiceExt;

use crate::edge::Edge;

/// The customer, as her identity provider calls her.
pub(crate) const CUSTOMER: &str = "alice";
/// The same, as the issuer calls her: its `login` is that identity provider.
pub(crate) const CUSTOMER_AT_ISSUER: &str = "login|alice";
/// The client that acts for her.
pub(crate) const ACTOR: &str = "order-service";
/// How long a customer's token is good for.
const TOKEN_LIFE: Duration = Duration::from_secs(3600);
/// Longest response that the demo reads.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// Calls that are remembered until they are looked at.
const MAX_CALLS: usize = 10_000;
/// How often `order-service` reports while the demo stays up.
const REPORT_EVERY: Duration = Duration::from_secs(30);

/// The issuer, the shop and what was seen of its calls.
pub(crate) struct Estate {
    pub(crate) issuer: RunningIssuer,
    pub(crate) shop: Shop,
    /// The gateway in front of it.
    pub(crate) edge: Edge,
    /// What the customer has got when she logged in.
    token: AccessToken,
    clock: SystemClock,
    transport: HttpTransport,
    calls: Calls,
    /// The issuer's store; gone when the demo ends.
    _folder: TempDir,
}

/// Calls that have ended, in that order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<FinishedCall>>>);

impl Calls {
    fn note(&self, call: &FinishedCall) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.len() < MAX_CALLS {
            calls.push(call.clone());
        }
    }

    fn take(&self) -> Vec<FinishedCall> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The response of a service to a caller from outside.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: StatusCode,
    /// The `error` of the challenge (RFC 6750 section 3).
    pub(crate) error: Option<String>,
    pub(crate) body: Value,
    pub(crate) elapsed: Duration,
}

impl Estate {
    pub(crate) async fn start() -> Result<Self, BoxError> {
        let folder = tempfile::tempdir()?;
        let clock = SystemClock::new();
        let settings = Loader::new("scccy")
            .text("service-auth.yaml", SERVICE_AUTH_YAML)
            .load_part::<IssuerSettings>()?;
        let mut settings = settings.into_settings();
        settings.listen.set_port(0);
        settings.store = folder.path().join("service-auth.db");
        let sockets = Sockets::free().await?;
        let keys = format!("http://{}/jwks", sockets.identity_provider()?);
        for login in &mut settings.trusted_issuers {
            login.keys = KeyPlace::Url(keys.parse()?);
        }
        let issuer = IssuerServer::start(&settings, Arc::new(clock)).await?;
        let calls = Calls::default();
        let observer = calls.clone();
        let shop = Shop::start(sockets, issuer.local_addr(), move |call| {
            observer.note(call)
        })
        .await?;
        let edge = Edge::start(|| shop.gateway()).await?;
        let transport = HttpTransport::new()?;
        let now = clock.now().into();
        let token = shop.identity_provider.token(CUSTOMER, now, TOKEN_LIFE)?;
        Ok(Self {
            issuer,
            shop,
            edge,
            token,
            clock,
            transport,
            calls,
            _folder: folder,
        })
    }

    /// The calls of `order-service` since the last time.
    pub(crate) fn calls(&self) -> Vec<FinishedCall> {
        self.calls.take()
    }

    /// A good token of the customer.
    pub(crate) fn token(&self) -> &AccessToken {
        &self.token
    }

    /// Another good token of the customer: she has logged in once more.
    pub(crate) fn another_token(&self) -> Result<AccessToken, BoxError> {
        let provider = &self.shop.identity_provider;
        provider.token(CUSTOMER, self.now(), TOKEN_LIFE)
    }

    /// A token of the customer that ended an hour ago.
    pub(crate) fn expired_token(&self) -> Result<AccessToken, BoxError> {
        let issued = self.now().saturating_sub(TOKEN_LIFE * 2);
        self.shop
            .identity_provider
            .token(CUSTOMER, issued, TOKEN_LIFE)
    }

    /// A token with the customer's name in it that was signed with a foreign key.
    pub(crate) fn forged_token(&self) -> Result<AccessToken, BoxError> {
        IdentityProvider::new()?.token(CUSTOMER, self.now(), TOKEN_LIFE)
    }

    fn now(&self) -> UnixTime {
        self.clock.now().into()
    }

    /// `GET /orders` of `order-service`.
    pub(crate) async fn orders(&self, token: Option<&AccessToken>) -> Result<Response, BoxError> {
        let url = format!("http://{}/orders", self.shop.order_service.address());
        self.ask(Request::get(url), token, Body::empty()).await
    }

    /// `POST /internal/daily-reports` of `service-system`, as an outsider would try it.
    pub(crate) async fn report(&self, token: &AccessToken) -> Result<Response, BoxError> {
        let url = format!(
            "http://{}/internal/daily-reports",
            self.shop.service_system.address()
        );
        let request = Request::post(url).header(header::CONTENT_TYPE, "application/json");
        self.ask(request, Some(token), Body::from(r#"{"orders":1}"#))
            .await
    }

    /// Where a parcel is, asked of the carrier by an outsider.
    pub(crate) async fn shipment(&self, token: &AccessToken) -> Result<Response, BoxError> {
        let carrier = self.shop.carrier_address();
        let url = format!("http://{carrier}/logistics/orders/1001/shipment");
        self.ask(Request::get(url), Some(token), Body::empty())
            .await
    }

    /// `GET /api/orders` at the gateway, with headers that a customer may write.
    pub(crate) async fn orders_by_gateway(
        &self,
        token: Option<&AccessToken>,
        headers: &[(&str, &str)],
    ) -> Result<Response, BoxError> {
        let url = format!("http://{}/api/orders", self.edge.address());
        let mut request = Request::get(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.ask(request, token, Body::empty()).await
    }

    /// `GET /api/orders/events` at the gateway, with the first event: a response that goes on.
    pub(crate) async fn events_by_gateway(
        &self,
        token: &AccessToken,
    ) -> Result<(Response, Events), BoxError> {
        let url = format!("http://{}/api/orders/events", self.edge.address());
        let bearer = format!("Bearer {}", token.expose());
        let request = Request::get(url).header(header::AUTHORIZATION, bearer);
        let began = self.monotonic();
        let response = self.transport.clone().oneshot(request.body(Body::empty())?);
        let (head, body) = response.await?.into_parts();
        let mut events = Events(body);
        let has_begun = events.go_on().await;
        let response = Response {
            status: head.status,
            error: challenge_error(&head.headers),
            body: has_begun.into(),
            elapsed: self.elapsed(began),
        };
        Ok((response, events))
    }

    /// `POST /logout` at the gateway.
    pub(crate) async fn log_out(&self, token: &AccessToken) -> Result<Response, BoxError> {
        let url = format!("http://{}/logout", self.edge.address());
        self.ask(Request::post(url), Some(token), Body::empty())
            .await
    }

    /// How long ago `since` was, by the monotonic clock.
    pub(crate) fn elapsed(&self, since: Duration) -> Duration {
        self.monotonic().saturating_sub(since)
    }

    pub(crate) fn monotonic(&self) -> Duration {
        self.clock.monotonic()
    }

    async fn ask(
        &self,
        mut request: http::request::Builder,
        token: Option<&AccessToken>,
        body: Body,
    ) -> Result<Response, BoxError> {
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.expose()));
        }
        let began = self.clock.monotonic();
        let response = self.transport.clone().oneshot(request.body(body)?).await?;
        let (status, error) = (response.status(), challenge_error(response.headers()));
        let body = response
            .into_body()
            .collect_within(MAX_RESPONSE_BYTES)
            .await?;
        let elapsed = self.clock.monotonic().saturating_sub(began);
        let body = serde_json::from_slice(&body).unwrap_or_default();
        Ok(Response {
            status,
            error,
            body,
            elapsed,
        })
    }

    /// Goes on until Ctrl-C, with the background job.
    pub(crate) async fn stay_up(&mut self) {
        let mut evening = tokio::time::interval(REPORT_EVERY);
        loop {
            tokio::select! {
                _tick = evening.tick() => match self.shop.orders.report_the_day().await {
                    Ok(_receipt) => drop(self.calls()),
                    Err(error) => tracing::warn!(%error, "order-service could not report"),
                },
                error = self.issuer.failed() => {
                    tracing::error!(%error, "the issuer ended");
                    return;
                }
                _signal = tokio::signal::ctrl_c() => return,
            }
        }
    }

    pub(crate) async fn stop(self) -> Result<(), BoxError> {
        self.edge.stop().await?;
        Ok(self.issuer.shutdown_within(Duration::from_secs(1)).await?)
    }
}

/// A response that goes on.
pub(crate) struct Events(Body);

impl Events {
    /// Waits for the next part; `false` when there is none any more.
    pub(crate) async fn go_on(&mut self) -> bool {
        matches!(self.0.frame().await, Some(Ok(_)))
    }
}

/// `error="..."` of `WWW-Authenticate`.
fn challenge_error(headers: &HeaderMap) -> Option<String> {
    let challenge = headers.get(header::WWW_AUTHENTICATE)?.to_str().ok()?;
    let (_before, rest) = challenge.split_once("error=\"")?;
    rest.split_once('"').map(|(error, _after)| error.to_owned())
}
