use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, StatusCode, header};
use axum::routing::get;
use hallpass_token::JwkSet;
use hallpass_upstream::EndpointUrl;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What the issuer does with a request for its keys.
#[derive(Clone, Debug)]
pub(crate) enum Behaviour {
    /// The keys, with an ETag and this `Cache-Control`.
    Keys {
        keys: JwkSet,
        cache_control: &'static str,
    },
    /// These bytes with this status and content type.
    Raw {
        status: u16,
        content_type: &'static str,
        body: Vec<u8>,
    },
    /// 503, with this `Retry-After`.
    Busy(&'static str),
    /// Nothing, until the script changes; then as that says.
    Hang,
}

impl Behaviour {
    pub(crate) fn keys(keys: JwkSet) -> Self {
        Self::Keys {
            keys,
            cache_control: "max-age=300",
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self::Raw {
            status,
            content_type: "text/plain",
            body: Vec::new(),
        }
    }
}

/// An issuer that publishes keys, counts who asks, and does what it is told.
#[derive(Debug)]
pub(crate) struct FakeIssuer {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    server: Mutex<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    behaviour: Mutex<Behaviour>,
    changed: Notify,
    arrived: Notify,
    requests: AtomicUsize,
    not_modified: AtomicUsize,
    /// How the callers have called themselves.
    verifiers: Mutex<Vec<String>>,
}

impl FakeIssuer {
    pub(crate) async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            behaviour: Mutex::new(behaviour),
            changed: Notify::new(),
            arrived: Notify::new(),
            requests: AtomicUsize::new(0),
            not_modified: AtomicUsize::new(0),
            verifiers: Mutex::default(),
        });
        let server = Mutex::new(serve(listener, Arc::clone(&shared)));
        Self {
            address,
            shared,
            server,
        }
    }

    pub(crate) fn url(&self) -> EndpointUrl {
        format!("http://{}/oauth2/jwks", self.address)
            .parse()
            .unwrap()
    }

    pub(crate) fn set(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().unwrap() = behaviour;
        self.shared.changed.notify_waiters();
    }

    /// How those have called themselves who did.
    pub(crate) fn verifiers(&self) -> Vec<String> {
        self.shared.verifiers.lock().unwrap().clone()
    }

    /// How many requests have come.
    pub(crate) fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::SeqCst)
    }

    /// How many of them were answered with "not modified".
    pub(crate) fn not_modified(&self) -> usize {
        self.shared.not_modified.load(Ordering::SeqCst)
    }

    /// Waits until this many requests have come.
    pub(crate) async fn wait_for_requests(&self, count: usize) {
        self.wait_until(|| self.requests() >= count).await;
    }

    /// Waits until a request was answered with "not modified".
    pub(crate) async fn wait_for_not_modified(&self) {
        self.wait_until(|| self.not_modified() > 0).await;
    }

    async fn wait_until(&self, holds: impl Fn() -> bool) {
        loop {
            let arrived = self.shared.arrived.notified();
            if holds() {
                return;
            }
            arrived.await;
        }
    }

    /// Closes the port: connections are refused from now on.
    pub(crate) async fn stop(&self) {
        let mut server =
            std::mem::replace(&mut *self.server.lock().unwrap(), tokio::spawn(async {}));
        server.abort();
        let _ = (&mut server).await;
    }

    /// Opens the same port again.
    pub(crate) async fn restart(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        *self.server.lock().unwrap() = serve(listener, Arc::clone(&self.shared));
    }
}

fn serve(listener: TcpListener, shared: Arc<Shared>) -> JoinHandle<()> {
    let app = Router::new()
        .route("/oauth2/jwks", get(jwks))
        .with_state(shared);
    tokio::spawn(async move {
        axum::serve(listener, app).await.unwrap();
    })
}

async fn jwks(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response<Body> {
    shared.requests.fetch_add(1, Ordering::SeqCst);
    if let Some(name) = headers.get("hallpass-verifier") {
        let name = name.to_str().unwrap().to_owned();
        shared.verifiers.lock().unwrap().push(name);
    }
    shared.arrived.notify_waiters();
    loop {
        let changed = shared.changed.notified();
        let behaviour = shared.behaviour.lock().unwrap().clone();
        match behaviour {
            Behaviour::Hang => changed.await,
            Behaviour::Busy(retry_after) => {
                let builder = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE);
                let builder = builder.header(header::RETRY_AFTER, retry_after);
                return builder.body(Body::empty()).unwrap();
            }
            Behaviour::Raw {
                status,
                content_type,
                body,
            } => {
                let builder = Response::builder()
                    .status(status)
                    .header(header::CONTENT_TYPE, content_type);
                // A redirect leads back to good keys: following it would be seen.
                let builder = builder.header(header::LOCATION, "/oauth2/jwks?redirected");
                return builder.body(body.into()).unwrap();
            }
            Behaviour::Keys {
                keys,
                cache_control,
            } => return response(&shared, &headers, &keys, cache_control),
        }
    }
}

fn response(
    shared: &Shared,
    headers: &HeaderMap,
    keys: &JwkSet,
    cache_control: &str,
) -> Response<Body> {
    let body = keys.to_json().to_string();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, body.as_bytes());
    let etag = format!("\"{digest:?}\"").replace(char::is_whitespace, "");
    let builder = Response::builder()
        .header(header::ETAG, &etag)
        .header(header::CACHE_CONTROL, cache_control);
    if headers
        .get(header::IF_NONE_MATCH)
        .is_some_and(|value| value == etag.as_str())
    {
        shared.not_modified.fetch_add(1, Ordering::SeqCst);
        shared.arrived.notify_waiters();
        return builder
            .status(StatusCode::NOT_MODIFIED)
            .body(Body::empty())
            .unwrap();
    }
    let builder = builder.header(header::CONTENT_TYPE, "application/jwk-set+json");
    builder.body(body.into()).unwrap()
}
