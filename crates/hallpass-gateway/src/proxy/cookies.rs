//! Cookies of HTTP/2, which come in crumbs.

use bytes::BytesMut;
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Makes one field of several: HTTP/2 lets a sender split `Cookie` (RFC 9113 section 8.2.3), and an upstream that speaks HTTP/1.1 must see one.
pub(crate) fn join_crumbs(headers: &mut HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    if crumbs.next().is_none() || crumbs.next().is_none() {
        return;
    }
    let mut joined = BytesMut::new();
    for crumb in headers.get_all(COOKIE) {
        if !joined.is_empty() {
            joined.extend_from_slice(b"; ");
        }
        joined.extend_from_slice(crumb.as_bytes());
    }
    // Of parts of values, and so one.
    if let Ok(mut joined) = HeaderValue::from_maybe_shared(joined.freeze()) {
        joined.set_sensitive(headers.get(COOKIE).is_some_and(HeaderValue::is_sensitive));
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_crumbs_become_one_field() {
        for (crumbs, joined) in [
            (&[][..], &[][..]),
            (&["a=1"], &["a=1"]),
            (&["a=1; b=2", "c=3", "d=4"], &["a=1; b=2; c=3; d=4"]),
        ] {
            let mut headers = HeaderMap::new();
            for crumb in crumbs {
                headers.append(COOKIE, HeaderValue::from_static(crumb));
            }
            join_crumbs(&mut headers);
            let left: Vec<_> = headers.get_all(COOKIE).iter().collect();
            assert_eq!(left, joined);
        }
    }
}
