//! What spans say of methods.

use http::Method;

/// What stands for a method that is not known.
const OTHER: &str = "_OTHER";

/// The method of a request as spans say it (`http.request.method` of OpenTelemetry): one of the nine of RFC 9110 and RFC 5789, or `_OTHER`. Whoever
/// sends a request may call its method anything; no span is named by that, and none carries his text to a collector.
///
/// ```
/// use hallpass_upstream::traced_method;
/// use http::Method;
///
/// assert_eq!(traced_method(&Method::PATCH), "PATCH");
/// assert_eq!(traced_method(&Method::from_bytes(b"S3CRET")?), "_OTHER");
/// # Ok::<(), http::method::InvalidMethod>(())
/// ```
#[must_use]
pub fn traced_method(method: &Method) -> &'static str {
    match *method {
        Method::CONNECT => "CONNECT",
        Method::DELETE => "DELETE",
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::TRACE => "TRACE",
        _ => OTHER,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_methods_are_named_in_spans() {
        for known in [
            "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
        ] {
            let method = Method::from_bytes(known.as_bytes()).unwrap();
            assert_eq!(traced_method(&method), known);
        }
        for other in ["get", "S3CRET", "GETS", "PROPFIND", "_OTHER"] {
            let method = Method::from_bytes(other.as_bytes()).unwrap();
            assert_eq!(traced_method(&method), "_OTHER", "{other}");
        }
    }
}
