//! A service on loopback that remembers what it was sent.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Longest body that a test sends, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// A request as it came over the wire.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query, still encoded.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn authorization(&self) -> Option<&str> {
        assert!(
            self.headers.get_all("authorization").iter().count() <= 1,
            "more than one Authorization"
        );
        self.header("authorization")
    }
}

/// An answer that may take its time.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

type Script = Arc<dyn Fn(&Seen, usize) -> Answer + Send + Sync>;

/// A service that answers by a script; stops when dropped.
pub(crate) struct Upstream {
    address: String,
    seen: Arc<Mutex<Vec<Seen>>>,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    script: Script,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Upstream {
    /// Answers the n-th request (from 1) at once.
    pub(crate) async fn answering<A: IntoResponse>(
        script: impl Fn(&Seen, usize) -> A + Send + Sync + 'static,
    ) -> Self {
        Self::scripted(move |seen, number| {
            let answer = script(seen, number).into_response();
            Box::pin(async move { answer })
        })
        .await
    }

    /// Answers the n-th request (from 1) when its future is done.
    pub(crate) async fn scripted(
        script: impl Fn(&Seen, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let seen = Arc::default();
        let shared = Shared {
            script: Arc::new(script),
            seen: Arc::clone(&seen),
        };
        let router = Router::new().fallback(answer).with_state(shared);
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            seen,
            server,
        }
    }

    /// `host:port`
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.rsplit(':').next().unwrap().parse().unwrap()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request so far.
    pub(crate) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// What each request carried as its identity.
    pub(crate) fn identities(&self) -> Vec<Option<String>> {
        self.seen()
            .iter()
            .map(|seen| seen.authorization().map(str::to_owned))
            .collect()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap();
    let seen = Seen {
        method: head.method.to_string(),
        target: head.uri.to_string(),
        headers: head.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let number = {
        let mut all = shared.seen.lock().unwrap();
        all.push(seen.clone());
        all.len()
    };
    (shared.script)(&seen, number).await
}
