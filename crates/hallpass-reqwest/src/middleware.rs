//! The middleware, and the client that it belongs into.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use async_trait::async_trait;
use bytes::Bytes;
use hallpass_client::context::{CallContext, scope_all};
use hallpass_feign::{ArgumentProblem, FeignError, ServiceCaller};
use hallpass_upstream::{Body, TransportError, TransportErrorKind};
use http::Extensions;
use http_body::Body as _;
use reqwest::redirect::Policy;
use reqwest_middleware::{ClientBuilder, Error, Middleware, Next};

use crate::error::RedirectedError;
use crate::ferry::ferry;

/// Begins a client of reqwest that follows no redirects: the right one for a [`HallpassMiddleware`], which is the last of its middlewares.
/// A redirect then is a response like any other.
///
/// With a client that does follow them, a redirect is asked for by reqwest below this middleware. reqwest takes `Authorization` out of a
/// request to another host, but not what else a request of an estate says (its context, its tenant); so such a response is an error,
/// [`RedirectedError`].
///
/// # Errors
/// When reqwest cannot build the client.
pub fn client_builder(client: reqwest::ClientBuilder) -> reqwest::Result<ClientBuilder> {
    let client = client.redirect(Policy::none()).build()?;
    Ok(ClientBuilder::new(client))
}

/// Gives the requests of a client the identity, the deadline, the context and the trace of a [`ServiceCaller`].
///
/// It stands last, so that what other middlewares repeat has a token of its own and none of them sees one. The identity is that of the
/// task that calls, or of the extensions that a request was given (`RequestBuilder::with_extension`): a
/// `SecurityContext`.
///
/// What it refuses is an [`Error::Middleware`] with a [`FeignError`] in it:
///
/// ```
/// use hallpass_feign::FeignError;
///
/// fn code(error: &reqwest_middleware::Error) -> &'static str {
///     match error {
///         reqwest_middleware::Error::Middleware(error) => {
///             error.downcast_ref::<FeignError>().map_or("other", FeignError::code)
///         }
///         reqwest_middleware::Error::Reqwest(_) => "reqwest",
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct HallpassMiddleware {
    caller: ServiceCaller,
}

impl HallpassMiddleware {
    /// For requests to the service of `caller`, at the `url` that its settings or its builder give it; without one every request is refused.
    #[must_use]
    pub const fn new(caller: ServiceCaller) -> Self {
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
    let head = head(&request)?;
    let mut spare = Spare::of(request);
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
        let asked = request.url().origin();
        let answered = {
            let mut running = next.clone().run(request, extensions);
            tokio::select! {
                biased;
                answered = &mut running => answered,
                // Its deadline has passed: what is under way is dropped.
                ended = &mut carried => return outcome(ended.map(drop), None),
            }
        };
        let answered = answered.and_then(|response| match response.url().origin() == asked {
            true => Ok(response),
            false => Err(Error::middleware(RedirectedError)),
        });
        // Whoever waits is polled next; it is gone only with this whole future.
        let _ = attempt.answer.send(told(&answered));
        last = Some(answered);
    }
}

/// What the layers see of a request. Its body is for interceptors, and says whether it can be sent again: reqwest sends its own.
fn head(request: &reqwest::Request) -> Result<http::Request<Body>, Error> {
    let uri = request.url().as_str().parse::<http::Uri>();
    let uri = uri.map_err(|_| {
        Error::middleware(FeignError::InvalidArgument {
            argument: "url",
            problem: ArgumentProblem::NotPlain,
        })
    })?;
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
struct Spare(Option<reqwest::Request>);

impl Spare {
    const fn of(request: reqwest::Request) -> Self {
        Self(Some(request))
    }

    /// With these headers in place of its own; `None` when it was a stream and is gone.
    fn take(&mut self, headers: http::HeaderMap) -> Option<reqwest::Request> {
        let again = self.0.as_ref()?.try_clone();
        let mut request = again.or_else(|| self.0.take())?;
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
        Err(error) => Err(TransportError::new(kind(error), error.to_string())),
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
