//! The middleware.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use hallpass_client::context::{CallContext, scope_all};
use hallpass_feign::{ArgumentProblem, FeignError, ServiceCaller};
use hallpass_upstream::{Body, TransportError, TransportErrorKind};
use http::header::HOST;
use http::{Extensions, HeaderMap, HeaderValue};
use http_body::Body as _;
use reqwest_middleware::{Error, Middleware, Next};

use crate::ferry::ferry;

/// Gives the requests of a client the identity, the deadline, the context and the trace of a [`ServiceCaller`]. It stands last, in a client
/// that follows no redirects.
#[derive(Clone, Debug)]
pub(crate) struct HallpassMiddleware {
    caller: ServiceCaller,
}

impl HallpassMiddleware {
    pub(crate) const fn new(caller: ServiceCaller) -> Self {
        Self { caller }
    }
}

#[async_trait]
impl Middleware for HallpassMiddleware {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<reqwest::Response, Error> {
        let context = CallContext::of(extensions);
        let sending = Box::pin(send(&self.caller, request, extensions, next));
        scope_all(context, sending).await
    }
}

async fn send(
    caller: &ServiceCaller,
    request: reqwest::Request,
    extensions: &mut Extensions,
    next: Next<'_>,
) -> Result<reqwest::Response, Error> {
    let (head, host) = (head(&request)?, host(request.url())?);
    let mut spare = Spare::of(request, host);
    let (ferry, mut arriving) = ferry();
    let mut carried = pin!(caller.send_through(ferry, head));
    let mut last = None;
    loop {
        let attempt = tokio::select! {
            biased;
            ended = &mut carried => return outcome(ended.map(drop), last),
            Some(attempt) = arriving.recv() => attempt,
        };
        // The connection of the response before is free again before this attempt needs one.
        drop(last.take());
        let Some(request) = spare.take(attempt.headers) else {
            continue;
        };
        let answered = {
            let mut running = next.clone().run(request, extensions);
            tokio::select! {
                biased;
                answered = &mut running => answered,
                // Its deadline has passed: what is under way is dropped.
                ended = &mut carried => return outcome(ended.map(drop), None),
            }
        };
        // Whoever waits is polled next; it is gone only with this whole future.
        let _ = attempt.answer.send(told(&answered));
        last = Some(answered);
    }
}

/// What the layers see of a request. Its body is for interceptors, and says whether it can be sent again: reqwest sends its own.
fn head(request: &reqwest::Request) -> Result<http::Request<Body>, Error> {
    let uri = request.url().as_str().parse::<http::Uri>();
    let uri = uri.map_err(|_| no_url())?;
    let body = match request.try_clone() {
        Some(again) => Body::from(in_memory(again)),
        None => Body::wrap(Body::empty()),
    };
    let mut head = http::Request::new(body);
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = uri;
    *head.headers_mut() = request.headers().clone();
    Ok(head)
}

/// What each attempt says as `Host`: else reqwest would fill in that of its `default_headers`, and the token would go to another one there.
fn host(url: &reqwest::Url) -> Result<HeaderValue, Error> {
    let host = url.host_str().ok_or_else(no_url)?;
    let host = match url.port() {
        Some(port) => HeaderValue::try_from(format!("{host}:{port}")),
        None => HeaderValue::try_from(host),
    };
    host.map_err(|_| no_url())
}

fn no_url() -> Error {
    Error::middleware(FeignError::InvalidArgument {
        argument: "url",
        problem: ArgumentProblem::NotPlain,
    })
}

/// The body of a request that can be cloned: it is in memory, so it is there at once and as a whole.
fn in_memory(mut request: reqwest::Request) -> Bytes {
    let Some(mut body) = request.body_mut().take() else {
        return Bytes::new();
    };
    let mut context = Context::from_waker(Waker::noop());
    match Pin::new(&mut body).poll_frame(&mut context) {
        Poll::Ready(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
        _ => Bytes::new(),
    }
}

/// A request, and the same again where its body is in memory.
struct Spare {
    request: Option<reqwest::Request>,
    host: HeaderValue,
}

impl Spare {
    const fn of(request: reqwest::Request, host: HeaderValue) -> Self {
        let request = Some(request);
        Self { request, host }
    }

    /// With these headers in place of its own; `None` when it was a stream and is gone.
    fn take(&mut self, mut headers: HeaderMap) -> Option<reqwest::Request> {
        let again = self.request.as_ref()?.try_clone();
        let mut request = again.or_else(|| self.request.take())?;
        headers.insert(HOST, self.host.clone());
        *request.headers_mut() = headers;
        Some(request)
    }
}

/// What the layers see of a response: its status and its headers.
fn told(
    answered: &Result<reqwest::Response, Error>,
) -> Result<http::Response<Body>, TransportError> {
    match answered {
        Ok(response) => {
            let mut head = http::Response::new(Body::empty());
            *head.status_mut() = response.status();
            *head.headers_mut() = response.headers().clone();
            Ok(head)
        }
        // Whoever asked gets the error itself. Its text holds the address with the query: nothing for observers and logs.
        Err(error) => Err(TransportError::new(kind(error), "an error of reqwest")),
    }
}

fn kind(error: &Error) -> TransportErrorKind {
    match error {
        Error::Reqwest(error) if error.is_connect() && error.is_timeout() => {
            TransportErrorKind::ConnectTimeout
        }
        Error::Reqwest(error) if error.is_connect() => TransportErrorKind::Connect,
        Error::Reqwest(_) | Error::Middleware(_) => TransportErrorKind::Broken,
    }
}

/// What whoever asked gets: the response as reqwest gave it, or why there is none.
fn outcome(
    ended: Result<(), FeignError>,
    last: Option<Result<reqwest::Response, Error>>,
) -> Result<reqwest::Response, Error> {
    match (ended, last) {
        // As reqwest has it, and not what the layers were told of it.
        (Ok(()) | Err(FeignError::Transport(_)), Some(last)) => last,
        (Err(error), _) => Err(Error::middleware(error)),
        (Ok(()), None) => Err(Error::middleware(FeignError::Interrupted)),
    }
}
