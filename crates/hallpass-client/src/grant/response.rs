//! Reads the responses of a token endpoint. Nothing in them is trusted, and nothing is repeated in an error.

use std::sync::Arc;
use std::time::Duration;

use hallpass_token::AccessToken;
use hallpass_upstream::{Body, CollectError, Connections, HttpTransport, asked_wait};
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Number, Value};

use crate::certificate::BoundCertificate;
use crate::error::{DenialCode, ResponseFault, TokenError};
use crate::prover::Prover;

/// Largest response that is read, in bytes.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;
/// Longest access token that is taken, in bytes. Servers commonly refuse headers beyond that.
const MAX_ACCESS_TOKEN_BYTES: usize = 16 * 1024;
/// Longest text that an error repeats, in bytes.
const MAX_SHOWN_BYTES: usize = 12;
/// Longest token life that is believed: a year.
pub(crate) const MAX_EXPIRES_IN: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// A token that an issuer gave, before anybody has used it.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) access_token: AccessToken,
    /// `None` when the issuer does not say.
    pub(crate) expires_in: Option<Duration>,
    /// The key that it is bound to.
    pub(crate) prover: Option<Arc<Prover>>,
    /// The certificate that it is bound to.
    pub(crate) certificate: Option<BoundCertificate>,
}

/// Why there is no token, and for how long the issuer asks to be left alone (`Retry-After` of 429 and 503).
#[derive(Debug)]
pub(crate) struct NotGranted {
    pub(crate) error: TokenError,
    pub(crate) retry_after: Option<Duration>,
}

impl Granted {
    /// With the certificate that it is bound to, if it is: the one that `transport` has `shown` when it was asked for.
    pub(crate) fn bound(
        mut self,
        transport: Option<&HttpTransport>,
        shown: Option<&Connections>,
    ) -> Result<Self, NotGranted> {
        let certificate = BoundCertificate::of(&self.access_token, transport);
        let is_ours = |it: &BoundCertificate| shown.is_none_or(|shown| it.is_shown_by(shown));
        if !certificate.as_ref().is_none_or(is_ours) {
            return Err(TokenError::Response(ResponseFault::OtherCertificate).into());
        }
        self.certificate = certificate;
        Ok(self)
    }
}

impl From<TokenError> for NotGranted {
    fn from(error: TokenError) -> Self {
        Self {
            error,
            retry_after: None,
        }
    }
}

/// Any JSON value, so that a member of the wrong type is told from one that is missing, and neither is
/// quoted in an error. Doubled members are refused by serde.
#[derive(Deserialize)]
struct Success {
    access_token: Option<Value>,
    token_type: Option<Value>,
    expires_in: Option<Value>,
    /// Some issuers refuse so.
    error: Option<IgnoredAny>,
}

impl Success {
    /// Whether no issuer has written it.
    const fn is_of_another(&self) -> bool {
        self.access_token.is_none()
            && self.token_type.is_none()
            && self.expires_in.is_none()
            && self.error.is_none()
    }
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// `prover` has proven its key with the request: then the token must be bound to it (RFC 9449 section 5), else it must not be.
pub(crate) async fn read(
    response: Response<Body>,
    prover: Option<&Arc<Prover>>,
) -> Result<Granted, NotGranted> {
    let (head, body) = response.into_parts();
    let is_json = head
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| is_json(value.as_bytes()));
    if head.status != StatusCode::OK {
        let status = head.status.as_u16();
        // 429 is no denial whatever its body says: gateways that limit rates write JSON of their own, with an `error` too.
        let may_deny =
            head.status.is_client_error() && head.status != StatusCode::TOO_MANY_REQUESTS;
        let refusal = if is_json && may_deny {
            refusal(body).await
        } else {
            None
        };
        let error = match refusal {
            Some(code) => TokenError::Denied { code, status },
            None => TokenError::Status { status },
        };
        let retry_after = asked_wait(head.status, &head.headers);
        return Err(NotGranted { error, retry_after });
    }
    if !is_json {
        return Err(TokenError::Response(ResponseFault::NotJson).into());
    }
    let bytes = body
        .collect_within(MAX_RESPONSE_BYTES)
        .await
        .map_err(|error| match error {
            CollectError::TooLarge { .. } => TokenError::Response(ResponseFault::TooLarge),
            CollectError::Broken(_) => TokenError::Response(ResponseFault::Incomplete),
        })?;
    Ok(success(&bytes, prover).map_err(TokenError::Response)?)
}

async fn refusal(body: Body) -> Option<DenialCode> {
    let bytes = body.collect_within(MAX_RESPONSE_BYTES).await.ok()?;
    let refusal: Refusal = serde_json::from_slice(&bytes).ok()?;
    Some(DenialCode::from_wire(&refusal.error))
}

fn success(bytes: &[u8], prover: Option<&Arc<Prover>>) -> Result<Granted, ResponseFault> {
    // The parser's error text may quote the input, so it goes no further.
    let success: Success = serde_json::from_slice(bytes).map_err(|_| ResponseFault::Malformed)?;
    if success.is_of_another() {
        return Err(ResponseFault::OtherJson);
    }
    let token = text("access_token", success.access_token)?;
    let kind = text("token_type", success.token_type)?;
    let expected = prover.map_or("bearer", |_| "dpop");
    if !kind.eq_ignore_ascii_case(expected) {
        return Err(ResponseFault::TokenType);
    }
    if !is_bearer_token(token.as_bytes()) {
        return Err(ResponseFault::AccessToken);
    }
    let expires_in = life(success.expires_in)?;
    Ok(Granted {
        access_token: AccessToken::new(token),
        expires_in,
        prover: prover.cloned(),
        certificate: None,
    })
}

/// A whole number of seconds, also where it is written as `3600.0` or as a text.
fn life(expires_in: Option<Value>) -> Result<Option<Duration>, ResponseFault> {
    let Some(sent) = expires_in.filter(|sent| !sent.is_null()) else {
        return Ok(None);
    };
    let life = match &sent {
        Value::Number(number) => whole_seconds(number),
        Value::String(text) => text
            .trim()
            .parse()
            .ok()
            .and_then(|number| whole_seconds(&number)),
        _ => None,
    };
    let life = life.filter(|life| !life.is_zero() && *life <= MAX_EXPIRES_IN);
    life.map(Some).ok_or_else(|| ResponseFault::ExpiresIn {
        sent: described(&sent),
    })
}

fn whole_seconds(number: &Number) -> Option<Duration> {
    if let Some(seconds) = number.as_u64() {
        return Some(Duration::from_secs(seconds));
    }
    let exact = Duration::try_from_secs_f64(number.as_f64()?).ok()?;
    (exact.subsec_nanos() == 0).then_some(exact)
}

/// What was sent, for people. A text is shown only where it is too short for a secret and begins like a number: an issuer
/// that mixes its members up must not get a token into a log.
fn described(sent: &Value) -> Box<str> {
    match sent {
        Value::Number(number) => number.to_string().into(),
        Value::String(text) if is_short_number(text) => format!("the text \"{text}\"").into(),
        Value::String(text) => format!("a text of {} bytes", text.len()).into(),
        Value::Array(_) => "a list".into(),
        Value::Object(_) => "an object".into(),
        Value::Bool(_) | Value::Null => "true or false".into(),
    }
}

fn is_short_number(text: &str) -> bool {
    let begins = text.starts_with(|first: char| first.is_ascii_digit() || "+-.".contains(first));
    begins
        && text.len() <= MAX_SHOWN_BYTES
        && text
            .bytes()
            .all(|byte| byte == b' ' || byte.is_ascii_graphic())
}

fn text(member: &'static str, value: Option<Value>) -> Result<String, ResponseFault> {
    match value {
        None | Some(Value::Null) => Err(ResponseFault::Missing(member)),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(ResponseFault::WrongType(member)),
    }
}

/// `b64token` of RFC 6750 section 2.1, with a limit.
fn is_bearer_token(token: &[u8]) -> bool {
    let padding = token.iter().rev().take_while(|byte| **byte == b'=').count();
    let body = token.get(..token.len() - padding).unwrap_or_default();
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(byte);
    !body.is_empty() && token.len() <= MAX_ACCESS_TOKEN_BYTES && body.iter().all(allowed)
}

/// `application/json`, with or without parameters, in any case.
pub(crate) fn is_json(content_type: &[u8]) -> bool {
    let media_type = content_type
        .split(|byte| *byte == b';')
        .next()
        .unwrap_or_default();
    media_type
        .trim_ascii()
        .eq_ignore_ascii_case(b"application/json")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_short_text_on_one_line_that_begins_like_a_number_is_shown() {
        for shown in ["3600", "1 h", "+1e3", ".5", "123456789012"] {
            assert!(is_short_number(shown), "{shown}");
        }
        for hidden in ["", "h", " 1", "1\n2", "1234567890123", "1\u{fc}"] {
            assert!(!is_short_number(hidden), "{hidden}");
        }
    }

    #[test]
    fn a_bearer_token_may_end_in_padding_and_is_more_than_that() {
        let longest = [b'x'; MAX_ACCESS_TOKEN_BYTES];
        for good in [b"YWJj".as_slice(), b"YWI=", b"YQ==", b"-._~+/", &longest] {
            assert!(is_bearer_token(good), "{good:?}");
        }
        let long = [b'x'; MAX_ACCESS_TOKEN_BYTES + 1];
        for bad in [b"".as_slice(), b"==", b"a=b", b"a b", &long] {
            assert!(!is_bearer_token(bad), "{bad:?}");
        }
    }
}
