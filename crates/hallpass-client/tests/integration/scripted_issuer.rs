//! An issuer whose behaviour a test sets: a tower service in the place of the transport, so that forms are
//! written and responses are read by the real code.

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use hallpass_client::{
    AuthTokenService, AuthTokenServiceBuilder, CacheLife, Credential, EvictionNotice,
    InternalTokenSettings, SealedToken, TokenHandle, TokenKey,
};
use hallpass_clock::Clock;
use hallpass_config::Secret;
use hallpass_token::Sealer;
use hallpass_upstream::{Body, Network, StaticDiscovery, TransportError, TransportErrorKind};
use http::{Request, Response, StatusCode};
use tower_service::Service;

use hallpass_clock::TokioClock;

/// What the issuer does with the next requests.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    /// Issues tokens.
    Issue,
    /// Refuses connections.
    Down,
    /// Takes the request and never responds.
    Hang,
    /// Responds with this status, content type and body.
    Respond(u16, &'static str, String),
    /// Responds with this status and `Retry-After`, on 6 November 1994 at 08:49:37.
    Busy(u16, &'static str),
    /// Panics inside the request.
    Panic,
}

#[derive(Clone)]
pub(crate) struct ScriptedIssuer {
    state: Arc<Mutex<State>>,
    clock: TokioClock,
}

struct State {
    mode: Mode,
    /// The only client secret, or token of another issuer, that is right, where one was named.
    secret: Option<String>,
    life: Duration,
    delay: Duration,
    requests: usize,
    issued: u64,
    forms: Vec<HashMap<String, String>>,
    under_way: HashMap<String, usize>,
    most_at_once: usize,
}

impl ScriptedIssuer {
    /// Issues tokens that live for `life`. Must be called inside a runtime.
    pub(crate) fn new(life: Duration) -> Self {
        let state = State {
            mode: Mode::Issue,
            secret: None,
            life,
            delay: Duration::from_millis(5),
            requests: 0,
            issued: 0,
            forms: Vec::new(),
            under_way: HashMap::new(),
            most_at_once: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            clock: TokioClock::new(),
        }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state.lock().unwrap().mode = mode;
    }

    /// Refuses each other client secret from now on.
    pub(crate) fn takes_only(&self, secret: &str) {
        self.state.lock().unwrap().secret = Some(secret.to_owned());
    }

    pub(crate) fn set_delay(&self, delay: Duration) {
        self.state.lock().unwrap().delay = delay;
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.lock().unwrap().requests
    }

    /// How many tokens it has issued.
    pub(crate) fn issued(&self) -> u64 {
        self.state.lock().unwrap().issued
    }

    pub(crate) fn forms(&self) -> Vec<HashMap<String, String>> {
        self.state.lock().unwrap().forms.clone()
    }

    /// The most requests for one audience and scope that were ever under way together.
    pub(crate) fn most_at_once(&self) -> usize {
        self.state.lock().unwrap().most_at_once
    }

    pub(crate) fn clock(&self) -> TokioClock {
        self.clock
    }

    /// A token service that asks this issuer, with the seed's cache settings.
    pub(crate) fn client(&self) -> AuthTokenServiceBuilder {
        self.client_with(credential())
    }

    pub(crate) fn client_with(&self, credential: Credential) -> AuthTokenServiceBuilder {
        AuthTokenService::builder(credential, self.clone()).clock(Arc::new(self.clock))
    }

    /// The handle that most tests need.
    pub(crate) fn handle(&self) -> TokenHandle {
        handle(&self.client().build())
    }

    /// Whether a token of this issuer has ended.
    pub(crate) fn has_ended(&self, token: &str) -> bool {
        let ends: u64 = token.rsplit('.').next().unwrap().parse().unwrap();
        u128::from(ends) <= self.clock.monotonic().as_millis()
    }
}

/// A service whose section is not there.
pub(crate) fn switched_off() -> AuthTokenService {
    let network = Network::system(Arc::new(StaticDiscovery::new())).unwrap();
    AuthTokenService::from_settings(&InternalTokenSettings::default(), &network).unwrap()
}

pub(crate) fn credential() -> Credential {
    credential_of("internal-service-client")
}

pub(crate) fn credential_of(client: &str) -> Credential {
    let endpoint = "https://service-auth.example/oauth2/token".parse().unwrap();
    Credential::new(
        client.parse().unwrap(),
        Secret::from("InternalSecret123!"),
        endpoint,
    )
    .with_scope("internal-service".parse().unwrap())
    .with_cache_life(CacheLife::DEFAULT)
}

/// A token as a service seals it for a tier, written down here once more: entries outlive the version that made them.
pub(crate) fn sealed(key: &TokenKey, token: &str, issued_at: u64, expires_at: u64) -> SealedToken {
    let sealer = sealer(key, "InternalSecret123!", "hallpass token cache v1");
    let mut plain = Vec::new();
    for number in [issued_at.saturating_mul(1_000_000), issued_at, expires_at] {
        plain.extend_from_slice(&number.to_be_bytes());
    }
    plain.extend_from_slice(token.as_bytes());
    SealedToken::from(sealer.seal(&plain, &key.to_bytes()).unwrap())
}

/// A notice as a service makes it: of this moment, in microseconds.
pub(crate) fn notice(key: &TokenKey, secret: &str, moment: u64, kind: u8) -> EvictionNotice {
    let sealer = sealer(key, secret, "hallpass eviction notice v1");
    let plain = [moment.to_be_bytes().as_slice(), &[kind]].concat();
    let key = key.to_bytes();
    let mut message = vec![1];
    message.extend_from_slice(&u32::try_from(key.len()).unwrap().to_be_bytes());
    message.extend_from_slice(&key);
    message.extend_from_slice(sealer.seal(&plain, &key).unwrap().as_bytes());
    EvictionNotice::parse(&message).unwrap()
}

fn sealer(key: &TokenKey, secret: &str, label: &str) -> Sealer {
    let mut salt = Vec::new();
    for part in [key.issuer(), key.client().as_str()] {
        salt.extend_from_slice(&u32::try_from(part.len()).unwrap().to_be_bytes());
        salt.extend_from_slice(part.as_bytes());
    }
    Sealer::derive_from_client_secret(secret, &salt, label).unwrap()
}

pub(crate) fn handle(service: &AuthTokenService) -> TokenHandle {
    service.handle(
        &"service-system".parse().unwrap(),
        &"internal-service".parse().unwrap(),
    )
}

impl Service<Request<Body>> for ScriptedIssuer {
    type Response = Response<Body>;
    type Error = TransportError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, TransportError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let issuer = self.clone();
        Box::pin(async move {
            let form = request.into_body().collect_within(10_000).await.unwrap();
            let form: HashMap<String, String> =
                url::form_urlencoded::parse(&form).into_owned().collect();
            let mut under_way = UnderWay::new(&issuer, &form);
            let delay = issuer.state.lock().unwrap().delay;
            tokio::time::sleep(delay).await;
            let right = issuer.state.lock().unwrap().secret.clone();
            let sent = form.get("client_secret").or(form.get("client_assertion"));
            let mode = match right {
                Some(secret) if sent != Some(&secret) => {
                    let refusal = r#"{"error":"invalid_client"}"#.to_owned();
                    Mode::Respond(401, "application/json", refusal)
                }
                _ => issuer.state.lock().unwrap().mode.clone(),
            };
            let result = match mode {
                Mode::Issue => Ok(issuer.issue(&form)),
                Mode::Down => Err(TransportError::new(TransportErrorKind::Connect, "refused")),
                Mode::Hang => std::future::pending::<Result<_, Infallible>>()
                    .await
                    .map_err(|never| match never {}),
                Mode::Respond(status, kind, body) => Ok(response(status, kind, body)),
                Mode::Busy(status, retry_after) => {
                    let mut busy = response(status, "text/plain", String::new());
                    let date = "Sun, 06 Nov 1994 08:49:37 GMT";
                    for (name, value) in [("retry-after", retry_after), ("date", date)] {
                        busy.headers_mut().insert(name, value.parse().unwrap());
                    }
                    Ok(busy)
                }
                Mode::Panic => panic!("the issuer's transport panics, as the test wants"),
            };
            under_way.end();
            result
        })
    }
}

impl ScriptedIssuer {
    /// The token says when it ends, in milliseconds of the issuer's clock.
    fn issue(&self, form: &HashMap<String, String>) -> Response<Body> {
        let mut state = self.state.lock().unwrap();
        state.issued += 1;
        let ends = (self.clock.monotonic() + state.life).as_millis();
        let audience = form
            .get("audience")
            .or(form.get("resource"))
            .cloned()
            .unwrap_or_default();
        let body = serde_json::json!({
            "access_token": format!("{audience}.{}.{ends}", state.issued),
            "token_type": "Bearer",
            "expires_in": state.life.as_secs(),
            "scope": form.get("scope"),
        });
        response(200, "application/json;charset=UTF-8", body.to_string())
    }
}

fn response(status: u16, kind: &str, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
        .headers_mut()
        .insert("content-type", kind.parse().unwrap());
    response
}

/// Counts a request until it ends or is dropped.
struct UnderWay {
    state: Arc<Mutex<State>>,
    key: Option<String>,
}

impl UnderWay {
    fn new(issuer: &ScriptedIssuer, form: &HashMap<String, String>) -> Self {
        let key = format!("{:?} {:?}", form.get("audience"), form.get("scope"));
        let mut state = issuer.state.lock().unwrap();
        state.requests += 1;
        state.forms.push(form.clone());
        let now = state.under_way.entry(key.clone()).or_default();
        *now += 1;
        let now = *now;
        state.most_at_once = state.most_at_once.max(now);
        drop(state);
        Self {
            state: Arc::clone(&issuer.state),
            key: Some(key),
        }
    }

    fn end(&mut self) {
        if let Some(key) = self.key.take() {
            let mut state = self.state.lock().unwrap();
            *state.under_way.get_mut(&key).unwrap() -= 1;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.end();
    }
}
