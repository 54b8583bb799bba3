//! Where a request comes from that proxies have handed on, as they say in a header.

use std::net::{IpAddr, SocketAddr};

use http::header::FORWARDED;
use http::{HeaderMap, HeaderName, HeaderValue};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Most proxies that are looked through for the address of a caller.
const MAX_PROXIES: usize = 32;

/// In which header proxies say whom they have a request from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`: a list of addresses, with or without a port.
    #[default]
    XForwardedFor,
    /// `Forwarded` (RFC 7239): the parameter `for` of each element.
    Forwarded,
}

/// Where a request comes from whose connection comes from `peer`: of the addresses in `header`, from its end, the first that is no trusted
/// proxy's; `peer` itself where that is none.
///
/// What is not an address (`unknown`, a name that a proxy has made up) ends what is known: the proxy that has written it is the answer then, and
/// nothing to the left of it counts. At most 32 proxies are looked through. Each proxy must add the address that it sees at the end, or write the
/// header anew; the other header is not looked at, since a proxy that writes one of them lets the other pass as a stranger has sent it.
///
/// ```
/// use hallpass_listen::{ForwardedHeader, Networks, forwarded_source};
/// use http::HeaderMap;
///
/// let proxies = Networks::new(vec!["10.0.0.0/8".parse().unwrap()]);
/// let mut headers = HeaderMap::new();
/// headers.insert("x-forwarded-for", "198.51.100.9, 192.0.2.1, 10.0.0.2".parse().unwrap());
/// let source = |peer: &str| {
///     let trusted = |address| proxies.contains(address);
///     forwarded_source(ForwardedHeader::XForwardedFor, trusted, peer.parse().unwrap(), &headers)
/// };
/// assert_eq!(source("10.0.0.1").to_string(), "192.0.2.1");
/// assert_eq!(source("203.0.113.7").to_string(), "203.0.113.7");
/// ```
pub fn forwarded_source(
    header: ForwardedHeader,
    is_trusted: impl Fn(IpAddr) -> bool,
    peer: IpAddr,
    headers: &HeaderMap,
) -> IpAddr {
    let mut source = peer.to_canonical();
    if !is_trusted(source) {
        return source;
    }
    let name = match header {
        ForwardedHeader::XForwardedFor => &X_FORWARDED_FOR,
        ForwardedHeader::Forwarded => &FORWARDED,
    };
    let fields: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    let fields = fields.into_iter().rev();
    let elements = fields.flat_map(|field| match header {
        ForwardedHeader::XForwardedFor => listed(field),
        ForwardedHeader::Forwarded => named(field),
    });
    for address in elements.take(MAX_PROXIES) {
        // What cannot be read ends what is known.
        let Some(address) = address else {
            break;
        };
        source = address.to_canonical();
        if !is_trusted(source) {
            break;
        }
    }
    source
}

/// The addresses of one field from its end; `None` for one that is none. At most as many as are looked at.
fn listed(field: &HeaderValue) -> Vec<Option<IpAddr>> {
    let texts = field.as_bytes().rsplit(|byte| *byte == b',');
    let texts = texts.take(MAX_PROXIES);
    texts.map(|text| address_of(text.trim_ascii())).collect()
}

/// The same of `Forwarded`, whose values may be quoted. A field whose quotes do not match says nothing at all: which comma stands between quotes
/// would depend on where one begins to read.
fn named(field: &HeaderValue) -> Vec<Option<IpAddr>> {
    let Some(elements) = split(field.as_bytes(), b',') else {
        return vec![None];
    };
    let elements = elements.into_iter().rev().take(MAX_PROXIES);
    elements.map(node_of).collect()
}

/// The parts between `separator`s that stand outside of quotes; `None` when a quote does not end.
fn split(text: &[u8], separator: u8) -> Option<Vec<&[u8]>> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let parts = text.split(|byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'\\' if is_quoted && !was_escaped => is_escaped = true,
            b'"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        *byte == separator && !is_quoted
    });
    let parts = parts.collect();
    (!is_quoted).then_some(parts)
}

/// The address of the one parameter `for` of an element (RFC 7239 section 4).
fn node_of(element: &[u8]) -> Option<IpAddr> {
    let mut node = None;
    for pair in split(element, b';')? {
        let pair = pair.trim_ascii();
        let place = pair.iter().position(|byte| *byte == b'=');
        let (name, value) = pair.split_at_checked(place?)?;
        if name.eq_ignore_ascii_case(b"for") && node.replace(value.get(1..)?).is_some() {
            return None;
        }
    }
    let node = node?;
    let unquoted = || node.strip_prefix(b"\"")?.strip_suffix(b"\"");
    address_of(unquoted().unwrap_or(node))
}

/// Of an element: with or without a port, an IPv6 address with or without brackets.
fn address_of(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    text.parse().ok().or_else(with_port).or_else(bracketed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::networks::Networks;

    fn source(header: ForwardedHeader, peer: &str, fields: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "::1"].map(|it| it.parse().unwrap());
        let trusted = Networks::new(trusted.to_vec());
        let mut headers = HeaderMap::new();
        let (name, other) = match header {
            ForwardedHeader::XForwardedFor => (X_FORWARDED_FOR, FORWARDED),
            ForwardedHeader::Forwarded => (FORWARDED, X_FORWARDED_FOR),
        };
        for field in fields {
            headers.append(&name, HeaderValue::from_str(field).unwrap());
        }
        // Never looked at.
        headers.append(other, HeaderValue::from_static("9.9.9.9"));
        let peer = peer.parse().unwrap();
        let is_trusted = |address| trusted.contains(address);
        forwarded_source(header, is_trusted, peer, &headers).to_string()
    }

    #[test]
    fn the_source_is_the_last_address_that_is_no_trusted_proxys() {
        for (peer, lists, expected) in [
            ("192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["1.1.1.1, 198.51.100.1, 10.0.0.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.1.1.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["1.1.1.1,, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("::1", &["[2001:db8::1]:5000"], "2001:db8::1"),
            ("::ffff:10.0.0.1", &["198.51.100.1:70"], "198.51.100.1"),
        ] {
            let found = source(ForwardedHeader::XForwardedFor, peer, lists);
            assert_eq!(found, expected, "{peer} {lists:?}");
        }
    }

    #[test]
    fn a_forwarded_header_says_the_same_in_its_own_form() {
        for (fields, expected) in [
            (&[][..], "10.0.0.1"),
            (&["for=198.51.100.1"], "198.51.100.1"),
            (
                &["for=1.1.1.1, for=198.51.100.1;proto=https;by=10.0.0.2, For=10.0.0.3"],
                "198.51.100.1",
            ),
            (
                &[r#"proto=http;FOR="[2001:db8::1]:4711";host="a,b;c""#],
                "2001:db8::1",
            ),
            (&[r#"for="198.51.100.1:47""#], "198.51.100.1"),
            (&["for=1.1.1.1", "for=198.51.100.1"], "198.51.100.1"),
            // A proxy that will not say it.
            (&["for=1.1.1.1, for=unknown"], "10.0.0.1"),
            (&["for=1.1.1.1, for=_hidden, for=10.0.0.3"], "10.0.0.3"),
            // What is not of this form says nothing.
            (&["198.51.100.1"], "10.0.0.1"),
            (&["for=1.1.1.1;for=2.2.2.2"], "10.0.0.1"),
            (&["for=1.1.1.1;x"], "10.0.0.1"),
            (&["by=1.1.1.1"], "10.0.0.1"),
            (&[r#"for="1.1.1.1"#], "10.0.0.1"),
        ] {
            let found = source(ForwardedHeader::Forwarded, "10.0.0.1", fields);
            assert_eq!(found, expected, "{fields:?}");
        }
    }

    #[test]
    fn no_quote_of_a_stranger_hides_what_a_proxy_adds_behind_it() {
        for stranger in [
            r#"for="9.9.9.9"#,
            r#"for=9.9.9.9;x=""#,
            r#"for=9.9.9.9, x="\"#,
            r#"for=9.9.9.9, x="a\""#,
            r#"for="9.9.9.9", x=""#,
            r#"""#,
        ] {
            for own in ["for=198.51.100.1", r#"for="[2001:db8::1]";host="a""#] {
                let field = format!("{stranger}, {own}");
                let found = source(ForwardedHeader::Forwarded, "10.0.0.1", &[&field]);
                assert_ne!(found, "9.9.9.9", "{field}");
            }
        }
    }

    #[test]
    fn no_more_than_some_proxies_are_looked_through() {
        let long = ["10.0.0.9"; MAX_PROXIES + 1].join(", ");
        let long = format!("1.1.1.1, {long}");
        let found = source(ForwardedHeader::XForwardedFor, "10.0.0.1", &[&long]);
        assert_eq!(found, "10.0.0.9");
    }
}
