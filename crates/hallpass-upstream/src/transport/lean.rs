//! HTTP/1.1 over connections that are kept, at the least cost for a request.
//!
//! It has the connector of all other pools, so who may be connected to, and how, is decided there. hyper reads and writes the messages.
//! What is here is which connection a request takes, and when it may be taken again: when request and response have come to their ends.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arc_swap::ArcSwap;
use futures_core::future::BoxFuture;
use http::uri::{Authority, Scheme};
use http::{HeaderValue, Method, Request, Response, Uri, Version, header};
use hyper::body::Incoming;
use tokio::runtime::Handle;
use tokio::time::Instant;

use super::error::TransportError;
use crate::body::{Body, BoxError};
use crate::few_headers::find_header;
use link::Answer;
use obtain::{Obtained, obtain};
use pool::Pool;
use returning::{Returning, ReturningBody};
use sent::Sent;

pub(super) use pool::Settings;

mod alarm;
mod background;
mod keeper;
mod link;
mod obtain;
mod pool;
mod returning;
mod sent;

/// Servers whose connections are kept at once. With more of them, those are forgotten first that have no unused connection.
const MAX_SERVERS: usize = 1024;

/// The pools of all servers. Clones share them.
#[derive(Clone)]
pub(super) struct Lean {
    settings: Arc<Settings>,
    http: Servers,
    https: Servers,
}

/// By the text of their names, which is hashed in one piece: those of an address would be hashed and compared letter by letter, as their case does not
/// count, and each request would pay for it. A server that is called by two spellings has two pools. By the quick hash, since servers are those that this
/// process wants to call.
type Servers = Arc<ArcSwap<HashMap<Box<str>, Arc<Pool>, foldhash::fast::RandomState>>>;

impl Lean {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings: Arc::new(settings),
            http: Servers::default(),
            https: Servers::default(),
        }
    }

    /// Sends `request`, or gives it back if it needs more than this: another protocol on the connection, another version of HTTP, or what is no
    /// request to a server at all.
    pub(super) fn call(
        &self,
        mut request: Request<Body>,
        now: Instant,
    ) -> Result<Call, Box<Request<Body>>> {
        let Some(pool) = self.pool_for(&request) else {
            return Err(Box::new(request));
        };
        let host = request.headers_mut().entry(header::HOST);
        host.or_insert_with(|| pool.host().clone());
        // The server is not named in the first line (RFC 9112 section 3.2.1).
        let path = std::mem::take(request.uri_mut()).into_parts();
        *request.uri_mut() = path.path_and_query.map(Uri::from).unwrap_or_default();
        let has_body = !http_body::Body::is_end_stream(request.body());
        let sent = Sent::watch(request.body_mut()).filter(|_| has_body);
        Ok(Call {
            has_body,
            sent,
            step: Step::begin(&pool, request, now),
            pool,
        })
    }

    fn pool_for(&self, request: &Request<Body>) -> Option<Arc<Pool>> {
        let is_plain = request.version() == Version::HTTP_11
            && request.method() != Method::CONNECT
            && find_header(request.headers(), &header::UPGRADE).is_none();
        let uri = request.uri();
        let (scheme, server) = (uri.scheme()?, uri.authority()?);
        let servers = match scheme {
            _ if !is_plain => return None,
            scheme if *scheme == Scheme::HTTP => &self.http,
            scheme if *scheme == Scheme::HTTPS => &self.https,
            _ => return None,
        };
        if let Some(pool) = servers.load().get(server.as_str()) {
            return Some(Arc::clone(pool));
        }
        self.add(servers, scheme, server)
    }

    /// Two threads may add a server at once: the pool that is in use afterwards is that of one of them.
    fn add(&self, servers: &Servers, scheme: &Scheme, server: &Authority) -> Option<Arc<Pool>> {
        let uri = Uri::builder()
            .scheme(scheme.clone())
            .authority(server.clone())
            .path_and_query("/");
        let host = host(scheme, server)?;
        let pool = Arc::new(Pool::new(
            Arc::clone(&self.settings),
            uri.build().ok()?,
            host,
        ));
        servers.rcu(|known| {
            let mut next = HashMap::clone(known);
            if next.len() >= MAX_SERVERS {
                next.retain(|_, pool| !pool.is_unused());
            }
            if next.len() >= MAX_SERVERS {
                next.clear();
            }
            next.entry(server.as_str().into())
                .or_insert_with(|| Arc::clone(&pool));
            next
        });
        let known = servers.load().get(server.as_str()).cloned();
        Some(known.unwrap_or(pool))
    }
}

impl fmt::Debug for Lean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lean").finish_non_exhaustive()
    }
}

/// The port is named where it is not the one of the scheme (RFC 9110 section 7.2).
fn host(scheme: &Scheme, server: &Authority) -> Option<HeaderValue> {
    let default = if *scheme == Scheme::HTTPS { 443 } else { 80 };
    let host = match server.port() {
        Some(port) if port.as_u16() != default => format!("{}:{port}", server.host()),
        _ => server.host().to_owned(),
    };
    HeaderValue::from_maybe_shared(host.into_bytes()).ok()
}

/// One request, up to and including the headers of its response.
pub(super) struct Call {
    pool: Arc<Pool>,
    has_body: bool,
    /// Of a body that comes as its source gives it.
    sent: Option<Sent>,
    step: Step,
}

enum Step {
    /// No connection was there.
    Obtaining(BoxFuture<'static, Result<Obtained, BoxError>>),
    /// The request is on its way. When this is dropped, the connection ends.
    Asked(Obtained),
    Over,
}

impl Step {
    /// Over a connection that is there, or another one.
    fn begin(pool: &Arc<Pool>, request: Request<Body>, now: Instant) -> Self {
        if let Some(link) = pool.check_out(now) {
            let mut obtained = Obtained::kept(link);
            obtained.link.ask(request);
            return Self::Asked(obtained);
        }
        let pool = Arc::clone(pool);
        Self::Obtaining(Box::pin(async move {
            let mut obtained = obtain(pool).await?;
            obtained.link.ask(request);
            Ok(obtained)
        }))
    }
}

impl Call {
    /// `is_early`: it began before all of the request was sent.
    fn answered(&mut self, response: Response<Incoming>, is_early: bool) -> Response<Body> {
        let Step::Asked(Obtained { link, .. }) = std::mem::replace(&mut self.step, Step::Over)
        else {
            return response.map(Body::from);
        };
        self.pool.note(response.headers());
        if link.is_idle() {
            // All of the response is here.
            match is_early {
                true => link.close(),
                false => self.pool.check_in(link),
            }
            return response.map(Body::from);
        }
        let returning = match is_early {
            true => Returning::nowhere(link),
            false => Returning::new(link, &self.pool),
        };
        if self.has_body
            && let Ok(runtime) = Handle::try_current()
        {
            return response.map(|body| returning.go_on_alone(&runtime, body));
        }
        response.map(|body| Body::streamed(ReturningBody::new(body, returning)))
    }

    /// Another connection, if the one that was tried had been kept: that the server closes one of those at any time is not its fault.
    /// It ends with those that are there.
    fn unsent(&mut self, request: Request<Body>, error: hyper::Error) -> Option<TransportError> {
        let is_kept = matches!(self.step, Step::Asked(Obtained { is_kept: true, .. }));
        self.step = if is_kept {
            Step::begin(&self.pool, request, Instant::now())
        } else {
            Step::Over
        };
        (!is_kept).then(|| TransportError::on_connection(error))
    }

    fn failed(&mut self, error: TransportError) -> Poll<Result<Response<Body>, TransportError>> {
        self.step = Step::Over;
        Poll::Ready(Err(error))
    }
}

impl Future for Call {
    type Output = Result<Response<Body>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        // Before anything more of it is written.
        let is_early = this.sent.as_ref().is_some_and(|sent| !sent.is_whole());
        loop {
            match &mut this.step {
                Step::Obtaining(obtaining) => match ready!(obtaining.as_mut().poll(context)) {
                    Ok(obtained) => this.step = Step::Asked(obtained),
                    Err(error) => return this.failed(TransportError::connecting(error)),
                },
                Step::Asked(obtained) => match ready!(obtained.link.poll_answer(context)) {
                    Answer::Response(response) => {
                        return Poll::Ready(Ok(this.answered(response, is_early)));
                    }
                    Answer::Unsent(request, error) => {
                        if let Some(error) = this.unsent(*request, error) {
                            return this.failed(error);
                        }
                    }
                    Answer::Failed(error) => {
                        return this.failed(TransportError::on_connection(error));
                    }
                },
                // Nobody polls what has ended.
                Step::Over => return Poll::Pending,
            }
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
