//! Names and values of headers, and methods, as they stand in lists of settings.

use hallpass_config::Section;
use http::{HeaderName, HeaderValue, Method};

/// Longest name of a header that settings may name.
const MAX_NAME_BYTES: usize = 128;

/// Headers that belong to HTTP itself: whoever writes or removes them for another purpose changes what a message is.
const OF_HTTP: [&str; 14] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "cookie",
    "expect",
    "host",
    "keep-alive",
    "proxy-authorization",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Any name.
pub(super) fn name(text: &str) -> Result<HeaderName, &'static str> {
    let name = HeaderName::from_bytes(text.as_bytes());
    name.ok()
        .filter(|it| it.as_str().len() <= MAX_NAME_BYTES)
        .ok_or("must be the name of a header")
}

/// A name that is not one of HTTP's own.
pub(super) fn free_name(text: &str) -> Result<HeaderName, &'static str> {
    let name = name(text)?;
    match OF_HTTP.contains(&name.as_str()) {
        true => Err("is a header of HTTP itself, and means something else"),
        false => Ok(name),
    }
}

/// The value of a header.
pub(super) fn value(text: &str) -> Result<HeaderValue, &'static str> {
    HeaderValue::from_str(text).map_err(|_| "must be printable ASCII, as a header's value is")
}

/// An HTTP method.
pub(super) fn method(text: &str) -> Result<Method, &'static str> {
    let is_method = text.len() <= 32 && text.bytes().all(|it| it.is_ascii_uppercase());
    let method = Method::from_bytes(text.as_bytes());
    method
        .ok()
        .filter(|_| is_method)
        .ok_or("must be an HTTP method in capitals")
}

/// The headers of the mapping `key`, each with its values in their order.
pub(super) fn values(section: &Section<'_>, key: &str) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let lists = section.named_texts(key, value)?;
    let mut headers = Vec::new();
    for (name, values) in lists {
        if values.is_empty() {
            section.problem(key, "must have a value for each: no header is removed so");
            return None;
        }
        match free_name(&name) {
            Ok(name) => headers.extend(values.into_iter().map(|value| (name.clone(), value))),
            Err(fault) => {
                section.problem(key, format!("names one that {fault}"));
                return None;
            }
        }
    }
    Some(headers)
}
