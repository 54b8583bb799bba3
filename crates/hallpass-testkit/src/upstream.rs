//! An upstream that remembers what it was sent.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use http::request::Parts;

use crate::server::TestServer;

/// Requests that are remembered; later ones are answered and forgotten.
const MAX_REMEMBERED: usize = 100_000;

/// A request as the upstream saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeenRequest {
    /// Method and target, as `GET /orders?page=2`.
    pub line: String,
    /// Every `Authorization` header, in order. Tokens are in clear here: this is for tests.
    pub authorization: Vec<String>,
    /// All headers.
    pub headers: HeaderMap,
}

/// A real server that answers by a closure and remembers each request.
#[derive(Debug)]
pub struct Upstream {
    server: TestServer,
    seen: Arc<Mutex<Vec<SeenRequest>>>,
}

impl Upstream {
    /// Answers every request with what `answer` makes of its head.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start<A, R>(answer: A) -> io::Result<Self>
    where
        A: Fn(&Parts) -> R + Clone + Send + Sync + 'static,
        R: IntoResponse,
    {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&seen);
        let handler = move |request: Request| {
            let (parts, _body) = request.into_parts();
            note(&notes, &parts);
            let response: Response = answer(&parts).into_response();
            std::future::ready(response)
        };
        let server = TestServer::start(Router::new().fallback(handler)).await?;
        Ok(Self { server, seen })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// `http://address` followed by `path`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// What has come in so far, in order.
    #[must_use]
    pub fn seen(&self) -> Vec<SeenRequest> {
        self.seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Finishes what is under way and closes the socket.
    pub async fn stop(self) {
        self.server.stop().await;
    }
}

fn note(seen: &Mutex<Vec<SeenRequest>>, parts: &Parts) {
    let authorization = parts.headers.get_all(http::header::AUTHORIZATION).iter();
    let authorization = authorization
        .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
        .collect();
    let request = SeenRequest {
        line: format!("{} {}", parts.method, parts.uri),
        authorization,
        headers: parts.headers.clone(),
    };
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() < MAX_REMEMBERED {
        seen.push(request);
    }
}
