//! Responses to refused requests: status, `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1) and a problem body (RFC 9457).

use std::fmt::Write;
use std::sync::Arc;

use bytes::Bytes;
use hallpass_token::BearerError;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

use crate::bearer::Scheme;
use crate::dpop;
use crate::error::{Denial, ProofFault};

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
    ///
    /// `scheme` is the one of the request: its challenge says what was wrong. A 401 has one for the other scheme too.
    pub(crate) fn response(&self, denial: &Denial, scheme: Scheme) -> Response<Bytes> {
        let told = denial.response();
        let body = json!({
            "type": "about:blank",
            "title": told.title,
            "status": told.status.as_u16(),
            "code": told.code,
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = told.status;
        // For those who say it in the words of another protocol.
        response.extensions_mut().insert(told);
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = denial.retry_after_seconds() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        let helps = |offered| match denial {
            // Who comes again with the same scheme and another token would be refused again.
            Denial::Proof(ProofFault::Unbound(bound)) => match offered {
                Scheme::Bearer => bound.takes_certificate_alone(),
                Scheme::Dpop => bound.takes_key(),
            },
            _ => offered == scheme || told.status == StatusCode::UNAUTHORIZED,
        };
        // What was wrong stands where the caller looks first, or else in the one challenge that there is.
        let scheme = match (helps(Scheme::Bearer), helps(Scheme::Dpop)) {
            (true, false) => Scheme::Bearer,
            (false, true) => Scheme::Dpop,
            _ => scheme,
        };
        for offered in [Scheme::Bearer, Scheme::Dpop] {
            if told.challenge
                && helps(offered)
                && let Ok(value) = HeaderValue::try_from(self.challenge(denial, offered, scheme))
            {
                headers.append(WWW_AUTHENTICATE, value);
            }
        }
        response
    }

    fn challenge(&self, denial: &Denial, offered: Scheme, spoken: Scheme) -> String {
        let name = match offered {
            Scheme::Bearer => "Bearer",
            Scheme::Dpop => "DPoP",
        };
        let mut text = format!("{name} realm=\"{}\"", self.realm);
        let mut add = |name: &str, value: &str| {
            // Writing to a String does not fail.
            let _ = write!(text, ", {name}=\"{value}\"");
        };
        if offered == Scheme::Dpop {
            add("algs", &dpop::algorithms());
        }
        let bearer_error = denial.response().bearer_error.map(BearerError::code);
        let error = match denial {
            Denial::Proof(fault) => fault.dpop_error().or(bearer_error),
            _ => bearer_error,
        };
        if let Some(error) = error.filter(|_| offered == spoken) {
            add("error", error);
        }
        if let Denial::Proof(ProofFault::Unbound(bound)) = denial {
            add("error_description", bound.advice());
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
