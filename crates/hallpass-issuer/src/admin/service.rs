//! What becomes of one request, from top to bottom.

use std::error::Error;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::MatchedPath;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use hallpass_listen::PlaceKeeper;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;
use tower::Service as _;

use super::access::{self, Actor};
use super::call::Call;
use super::change::Desk;
use super::fault::AdminFault;
use super::metrics::AdminMetrics;
use super::origin;
use super::problem::Problem;
use crate::audit::administration::Administration;
use crate::token::attempt::Attempt;

/// The largest body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1_024;
/// How long a body may take to come.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a response may take to be made. The store waits less for whatever it waits for.
const WORK_TIMEOUT: Duration = Duration::from_secs(30);
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const JSON: &[u8] = b"application/json";
/// RFC 7396 section 4.
const MERGE_PATCH: &[u8] = b"application/merge-patch+json";

/// Serves requests of one address.
#[derive(Clone)]
pub(super) struct AdminService {
    desk: Arc<Desk>,
    router: Router,
    metrics: AdminMetrics,
}

impl AdminService {
    pub(super) const fn new(desk: Arc<Desk>, router: Router, metrics: AdminMetrics) -> Self {
        Self {
            desk,
            router,
            metrics,
        }
    }

    /// The response to a request from `source`, whatever it contains.
    pub(super) async fn respond(mut self, request: Request<Incoming>, source: IpAddr) -> Response {
        let (parts, body) = request.into_parts();
        let attempt = self.desk.core.attempt(Some(source)).with(&parts.headers);
        let method = parts.method.clone();
        let responded = self.admitted(parts, body, attempt).await;
        let mut response = responded.unwrap_or_else(Problem::into_response);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, NO_STORE);
        let route = response.extensions().get::<MatchedPath>();
        let route = route.map(MatchedPath::as_str);
        self.metrics
            .responded(&method, route, response.status().as_u16());
        if method == Method::HEAD {
            *response.body_mut() = Body::empty();
        }
        response
    }

    async fn admitted(
        &mut self,
        mut parts: Parts,
        body: Incoming,
        attempt: Attempt,
    ) -> Result<Response, Problem> {
        let actor = self.admit(&parts, attempt).map_err(|(problem, actor)| {
            let action = match parts.method {
                Method::GET | Method::HEAD => "read",
                _ => "change",
            };
            let event = Administration {
                proof: actor.as_ref().map(|actor| actor.proof),
                jti: actor.as_ref().and_then(|actor| actor.jti.clone()),
                actor: actor.map(|actor| actor.name),
                ..Administration::new(action, problem.code())
            };
            // That somebody has to wait is one event, however many requests follow.
            if problem.fault != AdminFault::TooManyAttempts {
                self.desk.record(event.of(Some(parts.uri.path())), attempt);
            }
            problem
        })?;
        if let Some(keeper) = parts.extensions.get::<PlaceKeeper>() {
            keeper.keep();
        }
        let body = read_body(&parts, body).await?;
        parts.extensions.insert(Call { actor, attempt });
        let request = Request::from_parts(parts, Body::from(body));
        let responded = timeout(WORK_TIMEOUT, self.router.call(request)).await;
        match responded.map_err(|_| AdminFault::Busy)? {
            Ok(response) => Ok(response),
            Err(never) => match never {},
        }
    }

    fn admit(&self, parts: &Parts, attempt: Attempt) -> Result<Actor, (Problem, Option<Actor>)> {
        let core = &self.desk.core;
        let settings = core.settings();
        let hosts = settings.admin.as_ref().map_or(&[][..], |it| &it.hosts);
        origin::check(parts, hosts).map_err(|fault| (fault.into(), None))?;
        access::admit(core, parts, attempt)
    }
}

/// The whole body. One that changes something is JSON, and says so: a form that a page sends cannot.
async fn read_body<B>(parts: &Parts, body: B) -> Result<Bytes, Problem>
where
    B: http_body::Body<Data = Bytes>,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let needs_json = matches!(parts.method, Method::POST | Method::PUT | Method::PATCH);
    if needs_json && !is_json(&parts.headers) {
        return Err(AdminFault::UnsupportedMediaType.into());
    }
    let limit = u64::try_from(MAX_BODY_BYTES).unwrap_or(u64::MAX);
    if body.size_hint().lower() > limit {
        return Err(AdminFault::BodyTooLarge.into());
    }
    match timeout(BODY_TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(AdminFault::BodyTooLarge.into()),
        Ok(Err(_)) | Err(_) => Err(AdminFault::BodyIncomplete.into()),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else {
        return false;
    };
    let name = kind.as_bytes().split(|byte| *byte == b';').next();
    let name = name.unwrap_or_default().trim_ascii();
    name.eq_ignore_ascii_case(JSON) || name.eq_ignore_ascii_case(MERGE_PATCH)
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;

    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    use super::*;

    /// A request that says its kind, with a body that comes in these pieces.
    async fn read(pieces: Vec<Option<io::Result<Bytes>>>) -> Result<Bytes, AdminFault> {
        let request = Request::post("/").header(CONTENT_TYPE, "application/json");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let frames = stream::unfold(pieces.into_iter(), async |mut pieces| {
            let piece = match pieces.next()? {
                Some(piece) => piece.map(Frame::data),
                None => pending().await,
            };
            Some((piece, pieces))
        });
        let body = StreamBody::new(Box::pin(frames));
        read_body(&parts, body)
            .await
            .map_err(|problem| problem.fault)
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_come_is_given_up() {
        let piece = || Some(Ok(Bytes::from_static(b"{}")));
        assert_eq!(read(vec![piece(), piece()]).await, Ok("{}{}".into()));
        let gone = Some(Err(io::ErrorKind::UnexpectedEof.into()));
        for pieces in [vec![piece(), None], vec![None], vec![piece(), gone]] {
            assert_eq!(read(pieces).await, Err(AdminFault::BodyIncomplete));
        }
    }
}
