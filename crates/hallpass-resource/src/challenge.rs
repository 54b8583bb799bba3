//! Responses to refused requests: status, `WWW-Authenticate` (RFC 6750 section 3) and a problem body (RFC 9457).

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response};
use serde_json::json;

use crate::error::Denial;

/// How this service introduces itself in its challenges. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Challenger {
    realm: Arc<str>,
    resource_metadata: Option<Arc<str>>,
}

impl Challenger {
    /// `realm` and `resource_metadata` must fit into a quoted string as they are: see [`fits_in_quotes`].
    pub(crate) fn new(realm: &str, resource_metadata: Option<&str>) -> Self {
        Self {
            realm: realm.into(),
            resource_metadata: resource_metadata.map(Into::into),
        }
    }

    /// The whole response. Its body says what the caller may know, and nothing about which part did not fit.
    pub(crate) fn response(&self, denial: &Denial) -> Response<Bytes> {
        let told = denial.response();
        let body = json!({
            "type": "about:blank",
            "title": told.title,
            "status": told.status.as_u16(),
            "code": told.code,
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = told.status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = denial.retry_after_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if told.challenge
            && let Ok(challenge) = HeaderValue::try_from(self.challenge(denial))
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn challenge(&self, denial: &Denial) -> String {
        let mut text = format!("Bearer realm=\"{}\"", self.realm);
        let mut add = |name: &str, value: &str| {
            // Writing to a String does not fail.
            let _ = write!(text, ", {name}=\"{value}\"");
        };
        if let Some(error) = denial.response().bearer_error {
            add("error", error.code());
        }
        if let Some(scope) = denial.required_scope().filter(|scope| !scope.is_empty()) {
            // Scope tokens have neither quotes nor backslashes (RFC 6749 section 3.3).
            add("scope", scope.as_str());
        }
        if let Some(address) = &self.resource_metadata {
            add("resource_metadata", address);
        }
        text
    }
}

/// Whether a text can stand between quotes in a header as it is.
pub(crate) fn fits_in_quotes(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\')
}

#[cfg(test)]
mod tests;
