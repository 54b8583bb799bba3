//! What is said of a token as a signed JWT, for those who ask for one (RFC 9701): it can be shown to others as evidence.

use bytes::Bytes;
use hallpass_token::{Audience, INTROSPECTION_TYPE, UnixTime, sign_introspection};
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Response, StatusCode};
use http_body_util::Full;

use crate::clients::registry::Client;
use crate::core::Core;
use crate::token::message::json_response;
use crate::token::refusal::Refusal;

const MEDIA_TYPE: HeaderValue = HeaderValue::from_static("application/token-introspection+jwt");

/// Whether `Accept` names such a response. Nobody names it by accident, so of weights only one of zero counts.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter();
    let mut ranges = accepted.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    ranges.any(|range| {
        let mut parts = range.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let is_refused = |parameter: &[u8]| {
            let weight = parameter
                .strip_prefix(b"q=")
                .or(parameter.strip_prefix(b"Q="));
            weight.is_some_and(|weight| weight.iter().all(|byte| b"0.".contains(byte)))
        };
        name.eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()) && !parts.any(is_refused)
    })
}

/// `said` for `client`, signed with what tokens for a service of its name are signed with.
///
/// # Errors
/// [`Refusal::Signing`].
pub(super) fn response(
    core: &Core,
    client: &Client,
    said: &[u8],
    now: UnixTime,
) -> Result<Response<Full<Bytes>>, Refusal> {
    let ring = core.keys();
    let audience = client.id.as_str().parse::<Audience>().ok();
    let algorithm = audience.and_then(|audience| ring.shape_for(&audience).algorithm);
    let key = ring.at(now).signing(algorithm);
    let signed = sign_introspection(said, key, core.issuer(), &client.id, now);
    let jwt = signed.map_err(|error| {
        tracing::error!(%error, kind = INTROSPECTION_TYPE, client_id = client.id.as_str(), "a response could not be signed");
        Refusal::Signing
    })?;
    let mut response = json_response(StatusCode::OK, jwt.into());
    response.headers_mut().insert(CONTENT_TYPE, MEDIA_TYPE);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_names_the_media_type_gets_it() {
        let wanted = |accept: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            is_wanted(&headers)
        };
        for accept in [
            "application/token-introspection+jwt",
            "application/json;q=0.5, Application/Token-Introspection+JWT ;q=0.9",
        ] {
            assert!(wanted(accept), "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "application/json",
            "application/jwt",
            "application/token-introspection+jwt;q=0",
            "application/token-introspection+jwt; q=0.000",
        ] {
            assert!(!wanted(accept), "{accept}");
        }
        assert!(!is_wanted(&HeaderMap::new()));
    }
}
