//! Which trailers go on.

use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HOST, SET_COOKIE, TRAILER,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName};

use super::identity::IdentityNames;

/// Fields that say what a message is or who sends it: they count in a head alone (RFC 9110 section 6.5.1), and a program that merges trailers into the
/// head would believe them unjudged.
const NEVER: [HeaderName; 8] = [
    AUTHORIZATION,
    COOKIE,
    SET_COOKIE,
    HOST,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
    TRAILER,
];
/// What begins so speaks of proxies.
const PROXIES: [&str; 5] = [
    "x-forwarded-",
    "x-envoy-",
    "x-original-",
    "proxy-",
    "x-http-method",
];

/// Takes out of the trailers of a request what must not be said there.
pub(crate) fn clean_request(trailers: &mut HeaderMap, names: &IdentityNames) {
    let is_taken = |name: &&HeaderName| {
        let text = name.as_str();
        NEVER.contains(name)
            || text == "forwarded"
            || PROXIES.iter().any(|begin| text.starts_with(begin))
            || names.holds(name)
    };
    let taken: Vec<_> = trailers.keys().filter(is_taken).cloned().collect();
    for name in taken {
        trailers.remove(name);
    }
}

/// Takes out of the trailers of a response what belongs to its head.
pub(crate) fn clean_response(trailers: &mut HeaderMap) {
    for name in NEVER {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::super::identity::StrippedCounts;
    use super::*;
    use crate::settings::identity::IdentityHeaderSettings;

    #[test]
    fn identity_headers_in_trailers_are_dropped() {
        let names = IdentityNames::new(
            &IdentityHeaderSettings::default(),
            &StrippedCounts::default(),
        );
        let mut trailers = HeaderMap::new();
        for name in [
            "x-user-id",
            "x_user_id",
            "X.Authorities",
            "authorization",
            "cookie",
            "host",
            "content-length",
            "transfer-encoding",
            "x-forwarded-for",
            "forwarded",
            "x-original-url",
            "proxy-authorization",
            "grpc-status",
            "x-checksum",
        ] {
            let name: HeaderName = name.parse().unwrap();
            trailers.insert(name, HeaderValue::from_static("x"));
        }
        clean_request(&mut trailers, &names);
        let mut left: Vec<_> = trailers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["grpc-status", "x-checksum"]);
    }
}
