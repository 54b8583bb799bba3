//! What a browser can be brought to send, which is refused before anybody's credentials are looked at.
//!
//! Whoever has a certificate, and runs a browser that shows it, would else do what any page wants that the browser opens; and a page whose
//! name was made to mean this address (DNS rebinding) would read the responses.

use std::net::IpAddr;

use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;

use super::fault::AdminFault;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Nothing, unless the request is for another host than this one, or from a page.
///
/// # Errors
/// [`AdminFault::UnknownHost`], [`AdminFault::FromPage`].
pub(super) fn check(parts: &Parts, hosts: &[String]) -> Result<(), AdminFault> {
    if !is_ours(parts, hosts) {
        return Err(AdminFault::UnknownHost);
    }
    // Programs send neither. What a person types into a browser has no origin, and is of no site.
    let sites = parts.headers.get_all(SEC_FETCH_SITE).iter();
    let is_of_page = parts.headers.contains_key(ORIGIN)
        || sites.into_iter().any(|site| site.as_bytes() != b"none");
    match is_of_page {
        true => Err(AdminFault::FromPage),
        false => Ok(()),
    }
}

/// An address can be made to mean nothing else, and neither can `localhost`, which browsers do not look up.
fn is_ours(parts: &Parts, hosts: &[String]) -> bool {
    let named = match parts.headers.get(HOST) {
        Some(host) => Authority::try_from(host.as_bytes()).ok(),
        None => parts.uri.authority().cloned(),
    };
    let Some(named) = named else {
        return false;
    };
    let host = named.host();
    let address = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    let is_address = address.unwrap_or(host).parse::<IpAddr>().is_ok();
    let is_named = |known: &str| host.eq_ignore_ascii_case(known);
    is_address || is_named("localhost") || hosts.iter().any(|known| is_named(known))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn checked(headers: &[(&str, &str)]) -> Result<(), AdminFault> {
        let mut request = Request::get("/admin/v1/keys");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        check(&parts, &["admin.example".to_owned()])
    }

    #[test]
    fn a_host_that_could_be_made_to_mean_this_address_is_refused() {
        for good in [
            "127.0.0.1:9001",
            "[::1]:9001",
            "10.0.0.7",
            "localhost:9001",
            "LocalHost",
            "admin.example",
            "Admin.Example:9001",
        ] {
            assert_eq!(checked(&[("host", good)]), Ok(()), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "evil.example:9001",
            "admin.example.evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "admin.example.",
            "admin.example@evil.example",
        ] {
            let refused = Err(AdminFault::UnknownHost);
            assert_eq!(checked(&[("host", bad)]), refused, "{bad}");
        }
        assert_eq!(checked(&[]), Err(AdminFault::UnknownHost));
    }

    #[test]
    fn a_page_is_refused_however_the_browser_says_that_it_is_one() {
        let host = ("host", "127.0.0.1");
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "same-origin"),
        ] {
            let checked = checked(&[host, (name, value)]);
            assert_eq!(checked, Err(AdminFault::FromPage), "{name}: {value}");
        }
        assert_eq!(checked(&[host, ("sec-fetch-site", "none")]), Ok(()));
    }
}
