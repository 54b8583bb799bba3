//! Questions by HTTP: which protocol one is of, and who may ask.
//!
//! A response of 2xx means that a request may pass, and there is no other response of 2xx: what a proxy sends to
//! an address that it was not meant to (a path that leads out of a prefix, for example) must not become a permission.

mod answer;
mod envoy;
mod forwarded;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, StatusCode};

use self::answer::Protocol;
use super::core::Core;
use crate::answer_body::AnswerBody;
use crate::problem::problem;

/// What the paths of questions that are answered by the request itself begin with.
const ENVOY_PREFIX: &str = "/authz/envoy";
const NGINX_PATH: &str = "/authz/nginx";
const FORWARD_PATH: &str = "/authz/forward";

/// Answers one question of the proxy at `peer`. The body is left unread: decisions are about heads.
pub(crate) async fn respond<B>(
    core: Arc<Core>,
    peer: IpAddr,
    request: Request<B>,
) -> Response<AnswerBody> {
    // Again with each question: settings may have changed since the connection came.
    if !core.plan.load().trusted_proxies.contains(peer) {
        core.metrics.untrusted();
        let mut refusal = problem(
            StatusCode::FORBIDDEN,
            "untrusted_proxy",
            "Decisions are for trusted proxies.",
        );
        let close = HeaderValue::from_static("close");
        refusal.headers_mut().insert(CONNECTION, close);
        return refusal.map(AnswerBody::from);
    }
    let (parts, _unread) = request.into_parts();
    let (protocol, question) = match parts.uri.path() {
        NGINX_PATH => (Protocol::Nginx, forwarded::nginx(parts)),
        FORWARD_PATH => (Protocol::Forward, forwarded::forward(parts)),
        path if path.starts_with(ENVOY_PREFIX) => {
            (Protocol::Envoy, envoy::original(parts, ENVOY_PREFIX))
        }
        _ => return not_found().map(AnswerBody::from),
    };
    let decision = core.decide(protocol.name(), question).await;
    protocol.answer(decision).map(AnswerBody::from)
}

fn not_found() -> Response<Bytes> {
    problem(
        StatusCode::NOT_FOUND,
        "not_found",
        "Proxies ask at /authz/envoy, /authz/nginx and /authz/forward.",
    )
}
