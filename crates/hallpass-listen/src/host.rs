//! The `Host` of a request.

use http::header::HOST;
use http::uri::Authority;
use http::{Request, Version};

/// Whether the request names its host as RFC 9112 section 3.2 demands: once, and by a name that can be read. Two parties
/// that take different ones of two hosts, or each another default for none, apply the rules of different sites.
///
/// HTTP/2 names it in `:authority`, and may leave the field out (RFC 9113 section 8.3.1).
///
/// HTTP/1.0 knows requests without a host. An empty one is allowed: the target has none then. A target that is a whole
/// address names the same host, though a server may go by that alone: again two would be taken for different sites.
pub(crate) fn is_named_once<B>(request: &Request<B>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    let target = request.uri().authority().map(Authority::as_str);
    match (hosts.next(), hosts.next()) {
        (None, _) if request.version() > Version::HTTP_11 => target.is_some_and(is_plain),
        (None, _) => request.version() <= Version::HTTP_10 && target.is_none_or(is_plain),
        (Some(host), None) => {
            let host = host.as_bytes();
            let is_same = |target: &str| target.as_bytes().eq_ignore_ascii_case(host);
            is_host(host) && target.is_none_or(is_same)
        }
        (Some(_), Some(_)) => false,
    }
}

/// One name and perhaps a port: no user's name, and no list, which who joins two fields makes of them.
fn is_plain(host: &str) -> bool {
    // An IPv6 address has colons, and ends with its bracket.
    let port = match host.rsplit_once(':') {
        Some((_, port)) if !port.ends_with(']') => port,
        _ => "",
    };
    !host.contains(['@', ',']) && port.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_host(value: &[u8]) -> bool {
    let named = |host: Authority| is_plain(host.as_str());
    value.is_empty() || Authority::try_from(value).is_ok_and(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_an_address_names_the_same_host() {
        for (target, host, named) in [
            ("http://shop.example/a", Some("shop.example"), true),
            ("http://Shop.example:80/a", Some("shop.example:80"), true),
            ("http://evil.example/a", Some("shop.example"), false),
            ("http://shop.example:81/a", Some("shop.example"), false),
            ("http://user@shop.example/a", Some("shop.example"), false),
            (
                "http://user@shop.example/a",
                Some("user@shop.example"),
                false,
            ),
            ("http://shop.example/a", None, false),
            ("/a", Some("shop.example"), true),
        ] {
            let mut request = Request::get(target);
            if let Some(host) = host {
                request = request.header(HOST, host);
            }
            let request = request.body(()).unwrap();
            assert_eq!(is_named_once(&request), named, "{target} {host:?}");
        }
    }

    #[test]
    fn http_2_names_the_host_in_its_target_and_perhaps_the_same_in_a_field() {
        for (target, hosts, named) in [
            ("http://shop.example/a", &[][..], true),
            ("http://shop.example/a", &["shop.example"], true),
            ("http://shop.example/a", &["evil.example"], false),
            (
                "http://shop.example/a",
                &["shop.example", "shop.example"],
                false,
            ),
            ("http://user@shop.example/a", &[], false),
            ("http://shop.example,evil.example/a", &[], false),
            ("http://shop.example:port/a", &[], false),
            ("http://[::1]/a", &[], true),
            ("http://[::1]:8443/a", &[], true),
            ("/a", &[], false),
            ("/a", &["shop.example"], true),
        ] {
            let mut request = Request::get(target).version(Version::HTTP_2);
            for host in hosts {
                request = request.header(HOST, *host);
            }
            let request = request.body(()).unwrap();
            assert_eq!(is_named_once(&request), named, "{target} {hosts:?}");
        }
    }

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
            (Version::HTTP_11, &["shop.example,evil.example"], false),
            (Version::HTTP_11, &["shop.example:port"], false),
            (Version::HTTP_11, &["shop.example:"], true),
            (Version::HTTP_11, &["[::1]"], true),
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
