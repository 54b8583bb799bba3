//! What a collector can be called by, and be sent in headers.

use hallpass_config::{Secret, has_credentials, is_loopback, strict_url};
use http::{HeaderName, HeaderValue, Uri};
use url::Url;

/// Where the standard has collectors take traces, below the endpoint of all signals.
const TRACES_PATH: &str = "v1/traces";
/// Headers that a collector may be sent beside those of the message.
pub(super) const MAX_HEADERS: usize = 16;

/// The endpoint of all signals, of which that for traces is made.
pub(super) fn of_all_signals(text: &str) -> Result<Url, &'static str> {
    let mut url = endpoint(text)?;
    let path = format!("{}/{TRACES_PATH}", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url)
}

/// The endpoint of one signal, as it is.
pub(super) fn endpoint(text: &str) -> Result<Url, &'static str> {
    let url = strict_url(text).ok_or("is not a URL; write https://host:4318")?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err("must be a URL of http or https");
    }
    if has_credentials(&url) {
        return Err("must not hold a user name or password: write `headers`");
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err("must not hold a query or a fragment");
    }
    if url.as_str().parse::<Uri>().is_err() {
        return Err("is a URL that no request can be sent to");
    }
    Ok(url)
}

/// Whether nobody on the way can read what goes there.
pub(super) fn is_private(url: &Url) -> bool {
    url.scheme() == "https" || is_loopback(url)
}

/// Not those that say what the message is, and how long.
pub(super) fn header_name(text: &str) -> Result<HeaderName, &'static str> {
    let name =
        HeaderName::from_bytes(text.as_bytes()).map_err(|_| "is not the name of a header")?;
    match name.as_str() {
        "content-type" | "content-length" | "content-encoding" | "transfer-encoding" | "host"
        | "connection" => Err("belongs to the message and is written by itself"),
        _ => Ok(name),
    }
}

/// The value of a header that is never shown.
pub(super) fn secret_value(secret: &Secret) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(secret.expose()).ok()?;
    value.set_sensitive(true);
    Some(value)
}
