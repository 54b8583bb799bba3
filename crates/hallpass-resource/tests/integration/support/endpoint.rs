use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use hallpass_clock::{Clock as _, ManualClock};
use hallpass_resource::{Introspection, IntrospectionLimits, TrustedIssuer};
use hallpass_token::{UnixTime, VerifyPolicy};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::app::network;

pub(crate) const ISSUER: &str = "https://opaque.example";

/// An issuer of opaque tokens: it says of each what the test has told it, and of all others that they are not active.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    clock: Arc<ManualClock>,
}

#[derive(Default)]
struct Shared {
    known: Mutex<HashMap<String, Value>>,
    asked: Mutex<Vec<(String, String)>>,
    /// In place of what it would say: status, `Retry-After`, content type and body.
    instead: Mutex<Option<(u16, &'static str, &'static str, &'static str)>>,
    held: Mutex<bool>,
    released: Notify,
}

impl Endpoint {
    pub(crate) async fn start(clock: &Arc<ManualClock>) -> Self {
        let shared = Arc::new(Shared::default());
        let app = Router::new()
            .route("/introspect", post(respond))
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let clock = Arc::clone(clock);
        Self {
            address,
            shared,
            clock,
        }
    }

    /// What it says of a token of `subject` that is good for ten minutes.
    pub(crate) fn good(&self, subject: &str) -> Value {
        let now = UnixTime::from(self.clock.now()).as_secs();
        json!({
            "active": true, "iss": ISSUER, "sub": subject, "aud": "shop", "client_id": "web", "scope": "orders",
            "iat": now, "exp": now + 600, "token_type": "Bearer", "jti": format!("jti-{subject}"),
        })
    }

    /// It says this of `token` from now on.
    pub(crate) fn says(&self, token: &str, said: Value) {
        let mut known = self.shared.known.lock().unwrap();
        known.insert(token.to_owned(), said);
    }

    pub(crate) fn issues(&self, token: &str, subject: &str) {
        self.says(token, self.good(subject));
    }

    pub(crate) fn forgets(&self, token: &str) {
        self.shared.known.lock().unwrap().remove(token);
    }

    pub(crate) fn responds_with(
        &self,
        instead: Option<(u16, &'static str, &'static str, &'static str)>,
    ) {
        *self.shared.instead.lock().unwrap() = instead;
    }

    pub(crate) fn hold(&self) {
        *self.shared.held.lock().unwrap() = true;
    }

    pub(crate) fn release(&self) {
        *self.shared.held.lock().unwrap() = false;
        self.shared.released.notify_waiters();
    }

    /// The tokens that it was asked about.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().map(|(_, token)| token.clone()).collect()
    }

    /// With what it was asked: credentials and form.
    pub(crate) fn last_request(&self) -> (String, String) {
        self.shared.asked.lock().unwrap().last().unwrap().clone()
    }

    pub(crate) fn introspection(&self, limits: IntrospectionLimits) -> Introspection {
        let url = format!("http://{}/introspect", self.address);
        let credential = hallpass_client::Credential::new(
            "shop".parse().unwrap(),
            hallpass_config::Secret::from("s:e cret"),
            url.parse().unwrap(),
        );
        Introspection::new(credential, &network(&self.clock), limits)
    }

    pub(crate) fn trusted(&self) -> TrustedIssuer {
        let limits = IntrospectionLimits {
            // Longer than any test waits for it.
            timeout: Duration::from_secs(20),
            ..IntrospectionLimits::default()
        };
        let introspection = self.introspection(limits);
        TrustedIssuer::introspected(policy(), introspection, self.clock.clone()).named("opaque")
    }
}

pub(crate) fn policy() -> VerifyPolicy {
    VerifyPolicy::new(ISSUER.parse().unwrap(), "shop".parse().unwrap())
}

async fn respond(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let form = String::from_utf8(body.to_vec()).unwrap();
    let token = form
        .split('&')
        .find_map(|pair| pair.strip_prefix("token="))
        .unwrap()
        .to_owned();
    let credentials = headers
        .get(header::AUTHORIZATION)
        .map_or("", |value| value.to_str().unwrap());
    let request = (format!("{credentials} {form}"), token.clone());
    shared.asked.lock().unwrap().push(request);
    loop {
        let released = shared.released.notified();
        if !*shared.held.lock().unwrap() {
            break;
        }
        released.await;
    }
    if let Some((status, retry_after, content_type, body)) = *shared.instead.lock().unwrap() {
        let headers = [
            (header::RETRY_AFTER, retry_after),
            (header::CONTENT_TYPE, content_type),
        ];
        return (StatusCode::from_u16(status).unwrap(), headers, body).into_response();
    }
    let known = shared.known.lock().unwrap().get(&token).cloned();
    let said = known.unwrap_or_else(|| json!({"active": false}));
    (
        [(header::CONTENT_TYPE, "application/json")],
        said.to_string(),
    )
        .into_response()
}
