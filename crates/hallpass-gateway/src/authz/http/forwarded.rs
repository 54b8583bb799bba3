//! Questions that say in headers what the original request was.
//!
//! Each of these headers is demanded: a proxy that leaves one out passes on what the caller has written there.

use http::HeaderMap;
use http::request::Parts;

use super::super::allowed::is_other_spelling;
use super::super::question::{self, Fault, Original};

const X_ORIGINAL_METHOD: &str = "x-original-method";
const X_ORIGINAL_URI: &str = "x-original-uri";
const X_ORIGINAL_HOST: &str = "x-original-host";
const X_FORWARDED_METHOD: &str = "x-forwarded-method";
const X_FORWARDED_URI: &str = "x-forwarded-uri";
const X_FORWARDED_HOST: &str = "x-forwarded-host";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The schemes that proxies name; those of WebSocket are Traefik's.
const SCHEMES: [&[u8]; 4] = [b"http", b"https", b"ws", b"wss"];

/// The headers by which one protocol says what the request was.
struct Names {
    method: &'static str,
    uri: &'static str,
    host: &'static str,
}

/// nginx, `auth_request`: the names are those of its documentation, and stand in the configuration.
pub(super) fn nginx(parts: Parts) -> Result<Original, Fault> {
    const NAMES: Names = Names {
        method: X_ORIGINAL_METHOD,
        uri: X_ORIGINAL_URI,
        host: X_ORIGINAL_HOST,
    };
    read(parts.headers, &NAMES)
}

/// Traefik's `forwardAuth`, and all that do as it does: Caddy, APISIX, Higress.
pub(super) fn forward(parts: Parts) -> Result<Original, Fault> {
    const NAMES: Names = Names {
        method: X_FORWARDED_METHOD,
        uri: X_FORWARDED_URI,
        host: X_FORWARDED_HOST,
    };
    let scheme = question::single(&parts.headers, X_FORWARDED_PROTO)?;
    if !SCHEMES.contains(&scheme.as_bytes()) {
        return Err(Fault::Unreadable(X_FORWARDED_PROTO));
    }
    read(parts.headers, &NAMES)
}

fn read(headers: HeaderMap, names: &Names) -> Result<Original, Fault> {
    // These proxies copy headers of the answer onto the request, and remove none: what is spelled otherwise would stay the caller's.
    if headers.keys().any(|it| is_other_spelling(it.as_str())) {
        return Err(Fault::Conflicting("identity headers"));
    }
    let value = |name: &'static str| question::single(&headers, name);
    let method = question::method(value(names.method)?.as_bytes(), names.method)?;
    let target = question::target(value(names.uri)?.as_bytes(), names.uri)?;
    let host = question::host(value(names.host)?, names.host)?;
    Ok(Original {
        method,
        target,
        host,
        headers,
        certificate: None,
        can_remove: false,
    })
}
