//! The `Host` of a request.

use http::header::HOST;
use http::uri::Authority;
use http::{Request, Version};

/// Whether the request names its host as RFC 9112 section 3.2 demands: once, and by a name that can be read. Two parties
/// that take different ones of two hosts, or each another default for none, apply the rules of different sites.
///
/// HTTP/1.0 knows requests without a host. An empty one is allowed: the target has none then.
pub(crate) fn is_named_once<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => request.version() <= Version::HTTP_10,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

fn is_host(value: &[u8]) -> bool {
    let named = |host: Authority| !host.as_str().contains('@');
    value.is_empty() || Authority::try_from(value).is_ok_and(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_once_and_can_be_read() {
        for (version, hosts, named) in [
            (Version::HTTP_11, &["shop.example"][..], true),
            (Version::HTTP_11, &["shop.example:8443"], true),
            (Version::HTTP_11, &["[::1]:8443"], true),
            (Version::HTTP_11, &[""], true),
            (Version::HTTP_11, &[], false),
            (Version::HTTP_10, &[], true),
            (Version::HTTP_11, &["shop.example", "shop.example"], false),
            (Version::HTTP_10, &["shop.example", "evil.example"], false),
            (Version::HTTP_11, &["shop.example, evil.example"], false),
            (Version::HTTP_11, &["shop.example/path"], false),
            (Version::HTTP_11, &["user@shop.example"], false),
            (Version::HTTP_11, &["shop example"], false),
        ] {
            let mut request = Request::new(());
            *request.version_mut() = version;
            for host in hosts {
                request.headers_mut().append(HOST, host.parse().unwrap());
            }
            assert_eq!(is_named_once(&request), named, "{version:?} {hosts:?}");
        }
    }
}
