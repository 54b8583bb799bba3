//! Decisions as Envoy's messages.

use std::collections::HashSet;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::messages::{
    self, BoolValue, CheckResponse, DeniedHttpResponse, HeaderValueOption, HttpResponse,
    HttpStatus, OkHttpResponse, Status,
};
use super::status::Code;
use crate::authz::allowed::Allowed;
use crate::authz::core::Decision;

pub(super) fn answer(decision: Decision) -> CheckResponse {
    match decision {
        Decision::Allowed(allowed) => allow(allowed),
        Decision::Refused(response) | Decision::NotUnderstood(response) => refuse(&response),
    }
}

fn allow(allowed: Allowed) -> CheckResponse {
    let for_caller = options(&allowed.for_caller);
    let (set, removed) = allowed.changes();
    let response = OkHttpResponse {
        headers: set
            .iter()
            .filter_map(|(name, value)| option(name, value, false))
            .collect(),
        headers_to_remove: removed.iter().map(ToString::to_string).collect(),
        response_headers_to_add: for_caller,
    };
    CheckResponse {
        status: Some(Status {
            code: Code::Ok as i32,
        }),
        http_response: Some(HttpResponse::Ok(response)),
    }
}

/// Never with the code that means "let it pass", whatever the status is.
fn refuse(response: &Response<Bytes>) -> CheckResponse {
    let denied = DeniedHttpResponse {
        status: Some(HttpStatus {
            code: response.status().as_u16().into(),
        }),
        headers: options(response.headers()),
        body: String::from_utf8_lossy(response.body()).into_owned(),
    };
    CheckResponse {
        status: Some(Status {
            code: code_of(response.status()) as i32,
        }),
        http_response: Some(HttpResponse::Denied(denied)),
    }
}

fn code_of(status: StatusCode) -> Code {
    match status {
        StatusCode::UNAUTHORIZED => Code::Unauthenticated,
        StatusCode::BAD_REQUEST => Code::InvalidArgument,
        StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
        _ => Code::PermissionDenied,
    }
}

/// The first of a name replaces what is there, the others are put beside it.
fn options(headers: &HeaderMap) -> Vec<HeaderValueOption> {
    let mut seen = HashSet::new();
    let sent = headers.iter().filter(|(name, _)| **name != CONTENT_LENGTH);
    sent.filter_map(|(name, value)| option(name, value, !seen.insert(name)))
        .collect()
}

/// What is no text is none of ours.
fn option(name: &HeaderName, value: &HeaderValue, append: bool) -> Option<HeaderValueOption> {
    Some(HeaderValueOption {
        header: Some(messages::HeaderValue {
            key: name.as_str().to_owned(),
            value: value.to_str().ok()?.to_owned(),
            raw_value: Bytes::new(),
        }),
        append: Some(BoolValue { value: append }),
    })
}
