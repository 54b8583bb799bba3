//! Questions by gRPC: Envoy's `envoy.service.auth.v3.Authorization`, and `grpc.health.v1.Health`.
//!
//! A decision is always a message, also about what could not be read: Envoy takes a call that fails for a fault of this side, and may have been
//! told to let requests pass then.

mod answer;
mod certificate;
mod frame;
mod messages;
mod question;
mod status;

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use prost::Message as _;

use self::frame::{Unread, end, read, reply};
use self::messages::{CheckRequest, HealthCheckRequest, HealthCheckResponse, ServingStatus};
use self::status::Code;
use super::core::Core;
use super::question::{Fault, Original};
use crate::answer_body::AnswerBody;
use crate::problem::problem;

const PROTOCOL: &str = "envoy_grpc";
const SERVICE: &str = "envoy.service.auth.v3.Authorization";
const CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";
const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";

/// Answers one call of the proxy at `peer`.
pub(crate) async fn respond<B>(
    core: Arc<Core>,
    peer: IpAddr,
    request: Request<B>,
) -> Response<AnswerBody>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    // Again with each call: settings may have changed since the connection came.
    if !core.plan.load().trusted_proxies.contains(peer) {
        core.metrics.untrusted();
        return end(Code::PermissionDenied);
    }
    let content_type = request.headers().get(CONTENT_TYPE);
    let is_grpc = content_type.is_some_and(|it| it.as_bytes().starts_with(b"application/grpc"));
    if !is_grpc || request.method() != Method::POST {
        let refusal = problem(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_grpc",
            "gRPC alone is spoken here.",
        );
        return refusal.map(AnswerBody::from);
    }
    let limit = core.plan.load().decision_timeout;
    let (parts, body) = request.into_parts();
    // Who sends half of a message is not waited for.
    let message = tokio::time::timeout(limit, read(body)).await;
    match (parts.uri.path(), message) {
        (CHECK, message) => check(&core, message.unwrap_or(Err(Unread::Broken))).await,
        (HEALTH_CHECK, Ok(message)) => health(&core, message),
        (HEALTH_CHECK, Err(_elapsed)) => end(Code::DeadlineExceeded),
        _ => end(Code::Unimplemented),
    }
}

async fn check(core: &Core, message: Result<Bytes, Unread>) -> Response<AnswerBody> {
    if message == Err(Unread::Compressed) {
        return end(Code::Unimplemented);
    }
    let question = original(core, message);
    reply(&answer::answer(core.decide(PROTOCOL, question).await))
}

fn original(core: &Core, message: Result<Bytes, Unread>) -> Result<Original, Fault> {
    let message = message.map_err(|_| Fault::Unreadable("message"))?;
    let message = CheckRequest::decode(message).map_err(|_| Fault::Unreadable("message"))?;
    let attributes = message.attributes.ok_or(Fault::Missing("attributes"))?;
    let shown = match (&attributes.source, core.plan.load().believes_certificates) {
        (Some(source), true) => certificate::read(&source.certificate)?,
        _ => None,
    };
    let mut original = question::original(attributes)?;
    original.certificate = shown;
    Ok(original)
}

fn health(core: &Core, message: Result<Bytes, Unread>) -> Response<AnswerBody> {
    let Some(request) = message
        .ok()
        .and_then(|it| HealthCheckRequest::decode(it).ok())
    else {
        return end(Code::InvalidArgument);
    };
    if !matches!(request.service.as_str(), "" | SERVICE) {
        return end(Code::NotFound);
    }
    let status = match core.readiness.look() {
        Ok(()) => ServingStatus::Serving,
        Err(_) => ServingStatus::NotServing,
    };
    reply(&HealthCheckResponse {
        status: status.into(),
    })
}
