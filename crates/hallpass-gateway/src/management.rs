//! Health and metrics, on an address of their own.

mod asked_host;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hallpass_listen::{ConnectionLimits, ConnectionPlaces, HttpServer, RunningServer};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Incoming;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

pub(crate) use self::asked_host::AskedHosts;
use crate::answer_body::AnswerBody;
use crate::problem::problem;
use crate::readiness::Readiness;

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OPEN_METRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Connections of the address for health and metrics.
const MANAGEMENT_CONNECTIONS: usize = 64;
/// One address may have one of so many of them: who reads metrics and leaves its connections open must not keep the platform from asking
/// for health, which would end this process.
const MANAGEMENT_SHARES: usize = 4;

/// Connections to it that find a descriptor when all others are taken: for who asks for health, and what is wrong.
const SPARE_DESCRIPTORS: usize = 8;

/// What monitoring asks for.
#[derive(Clone)]
pub(crate) struct Management {
    readiness: Arc<Readiness>,
    /// Locked while `/metrics` is written or something is added; no request needs it.
    registry: Arc<Mutex<Registry>>,
    pages: Option<Arc<dyn Pages>>,
    hosts: AskedHosts,
}

/// Further pages there, in JSON. They say nothing of callers, tokens and what requests bear.
pub(crate) trait Pages: Send + Sync {
    /// The page at `path`, if there is one.
    fn page(&self, path: &str) -> Option<serde_json::Value>;

    /// What there is, for who asks for something else.
    fn title(&self) -> &'static str;
}

impl Management {
    /// Asked by the names of these `hosts`.
    pub(crate) fn new(readiness: Arc<Readiness>, registry: Registry, hosts: AskedHosts) -> Self {
        Self {
            readiness,
            registry: Arc::new(Mutex::new(registry)),
            pages: None,
            hosts,
        }
    }

    /// With these pages too.
    pub(crate) fn with_pages(mut self, pages: Arc<dyn Pages>) -> Self {
        self.pages = Some(pages);
        self
    }

    /// Adds what somebody else counts, under its full names.
    pub(crate) fn add(&self, register: impl FnOnce(&mut Registry)) {
        register(&mut self.registry.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// All metrics as text.
    pub(crate) fn text(&self) -> String {
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = String::with_capacity(4 * 1_024);
        // Writing into a String does not fail; a failed encode would leave a text without its end mark.
        if encode(&mut text, &registry).is_err() {
            tracing::error!("the metrics could not be encoded");
        }
        text
    }

    pub(crate) fn respond(&self, request: &Request<Incoming>) -> Response<AnswerBody> {
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        let path = request.uri().path();
        if !self.hosts.allow(request, path) {
            let title = "This is not asked by that name: use an IP address, `localhost` or a name of `management.hosts`.";
            let refused = problem(StatusCode::MISDIRECTED_REQUEST, "wrong_host", title);
            return refused.map(AnswerBody::from);
        }
        let response = match path {
            "/health/live" if is_read => plain(StatusCode::OK, TEXT, Bytes::from_static(b"live\n")),
            "/health/ready" if is_read => match self.readiness.look() {
                Ok(()) => plain(StatusCode::OK, TEXT, Bytes::from_static(b"ready\n")),
                Err(why) => plain(
                    StatusCode::SERVICE_UNAVAILABLE,
                    TEXT,
                    format!("{why}\n").into(),
                ),
            },
            "/metrics" if is_read => plain(StatusCode::OK, OPEN_METRICS, self.text().into()),
            path => {
                let pages = self.pages.as_ref();
                let page = pages.filter(|_| is_read).and_then(|it| it.page(path));
                let title = "There are /health/live, /health/ready and /metrics here.";
                match page {
                    Some(page) => plain(StatusCode::OK, JSON, format!("{page:#}\n").into()),
                    None => problem(
                        StatusCode::NOT_FOUND,
                        "not_found",
                        pages.map_or(title, |it| it.title()),
                    ),
                }
            }
        };
        response.map(AnswerBody::from)
    }
}

/// Serves it.
pub(crate) fn serve(listener: TcpListener, management: &Management) -> io::Result<RunningServer> {
    // The platform needs few, and all addresses share what the process may open.
    let places = ConnectionPlaces::for_monitoring(MANAGEMENT_CONNECTIONS);
    let limits = ConnectionLimits {
        connections_per_address: places.count().div_ceil(MANAGEMENT_SHARES),
        ..ConnectionLimits::default()
    };
    let management = management.clone();
    HttpServer::new(listener)
        .limits(limits)
        .places(places)
        .spare_descriptors(SPARE_DESCRIPTORS)
        .serve(move |_peer| {
            let management = management.clone();
            tower::service_fn(move |request| {
                let response = management.respond(&request);
                std::future::ready(Ok::<_, Infallible>(response))
            })
        })
}

fn plain(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, content_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl fmt::Debug for Management {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Management")
    }
}
