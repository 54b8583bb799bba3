//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): what tells a callee that a call which comes twice is one.

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{ArgumentProblem, FeignError};
use crate::random::random_name;

const NAME: HeaderName = HeaderName::from_static("idempotency-key");

/// Gives the call a key of its own, unless an argument has. All attempts of the call carry the same one.
pub(super) fn give(headers: &mut HeaderMap) -> Result<(), FeignError> {
    if headers.contains_key(NAME) {
        return Ok(());
    }
    // A string of RFC 8941, as the draft wants it.
    let key = random_name().map(|name| format!("\"{name}\""));
    let key = key.and_then(|key| HeaderValue::try_from(key).ok());
    headers.insert(
        NAME,
        key.ok_or(FeignError::InvalidArgument {
            argument: "idempotency-key",
            problem: ArgumentProblem::NoRandomness,
        })?,
    );
    Ok(())
}
