//! The address that a proof is for, in one spelling.

use std::fmt;

/// The address of a request as a proof names it (`htu`): scheme, authority and path, without query and fragment.
///
/// Kept in the one spelling of RFC 3986 sections 6.2.2 and 6.2.3, as RFC 9449 section 4.3 wants it compared: scheme and host
/// in lower case, no default port, escapes only where they are needed and in upper case, no dot segments, `/` for no path.
///
/// ```
/// use hallpass_token::DpopUri;
///
/// let one = DpopUri::parse("HTTPS://Orders.example:443/a/%7Eb/../c?x=1#y")?;
/// assert_eq!(one, DpopUri::parse("https://orders.example/a/c")?);
/// # Ok::<(), hallpass_token::InvalidDpopUri>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DpopUri(Box<str>);

/// Not an `http` or `https` URL with a host and without credentials, or one that two programs could read differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an http or https URL with a host, without user name, spaces or backslashes")]
pub struct InvalidDpopUri;

impl DpopUri {
    /// Reads an absolute URL; what follows `?` or `#` is left out.
    ///
    /// # Errors
    /// [`InvalidDpopUri`].
    pub fn parse(text: &str) -> Result<Self, InvalidDpopUri> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidDpopUri)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at_checked(end).ok_or(InvalidDpopUri)?;
        let path = rest.split(['?', '#']).next().unwrap_or_default();
        Self::of_parts(scheme, authority, path)
    }

    /// The same of its parts; `path` is absolute or empty, and has no query.
    ///
    /// # Errors
    /// [`InvalidDpopUri`].
    pub fn of_parts(scheme: &str, authority: &str, path: &str) -> Result<Self, InvalidDpopUri> {
        let (scheme, default_port) = if scheme.eq_ignore_ascii_case("https") {
            ("https", 443)
        } else if scheme.eq_ignore_ascii_case("http") {
            ("http", 80)
        } else {
            return Err(InvalidDpopUri);
        };
        let mut uri = format!("{scheme}://");
        push_authority(&mut uri, authority, default_port)?;
        push_path(&mut uri, path)?;
        Ok(Self(uri.into()))
    }

    /// The address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DpopUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn push_authority(
    uri: &mut String,
    authority: &str,
    default_port: u16,
) -> Result<(), InvalidDpopUri> {
    // The colons of an IPv6 address stand in brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, ""),
    };
    let is_ipv6 = |host: &str| {
        let inside = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        inside.is_some_and(|it| it.parse::<std::net::Ipv6Addr>().is_ok())
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&byte);
    if host.is_empty() || !(host.bytes().all(is_name) || is_ipv6(host)) {
        return Err(InvalidDpopUri);
    }
    uri.push_str(&host.to_ascii_lowercase());
    if port.is_empty() {
        return Ok(());
    }
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(InvalidDpopUri);
    }
    let port: u16 = port.parse().map_err(|_| InvalidDpopUri)?;
    if port != default_port {
        uri.push_str(&format!(":{port}"));
    }
    Ok(())
}

fn push_path(uri: &mut String, path: &str) -> Result<(), InvalidDpopUri> {
    if path.is_empty() {
        uri.push('/');
        return Ok(());
    }
    let path = path.strip_prefix('/').ok_or(InvalidDpopUri)?;
    // Escapes first: an escaped dot is a dot (RFC 3986 section 6.2.2.2).
    let mut segments: Vec<String> = Vec::new();
    let mut ends_in_folder = false;
    for segment in path.split('/') {
        let segment = plain(segment)?;
        ends_in_folder = true;
        match segment.as_str() {
            "." => {}
            ".." => _ = segments.pop(),
            _ => {
                segments.push(segment);
                ends_in_folder = false;
            }
        }
    }
    for segment in &segments {
        uri.push('/');
        uri.push_str(segment);
    }
    if ends_in_folder {
        uri.push('/');
    }
    Ok(())
}

/// A segment whose escapes are those that it needs.
fn plain(segment: &str) -> Result<String, InvalidDpopUri> {
    let mut plain = String::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|it| char::from(it).to_digit(16));
                let (high, low) = digit().zip(digit()).ok_or(InvalidDpopUri)?;
                let byte = u8::try_from(high * 16 + low).map_err(|_| InvalidDpopUri)?;
                match is_unreserved(byte) {
                    true => plain.push(char::from(byte)),
                    false => plain.push_str(&format!("%{byte:02X}")),
                }
            }
            // Some programs take them for a slash, or for an end.
            b'\\' | 0..=b' ' | 0x7F => return Err(InvalidDpopUri),
            _ if is_unreserved(byte) || b"!$&'()*+,;=:@".contains(&byte) => {
                plain.push(char::from(byte));
            }
            _ => plain.push_str(&format!("%{byte:02X}")),
        }
    }
    Ok(plain)
}

const fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::{DpopUri, InvalidDpopUri};

    #[test]
    fn each_spelling_of_an_address_is_the_same_address() {
        for (text, expected) in [
            ("https://a.example", "https://a.example/"),
            ("HTTPS://A.Example/", "https://a.example/"),
            ("https://a.example:443/x", "https://a.example/x"),
            ("https://a.example:/x", "https://a.example/x"),
            ("https://a.example:0443/x", "https://a.example/x"),
            ("http://a.example:80/x", "http://a.example/x"),
            ("https://a.example:80/x", "https://a.example:80/x"),
            ("https://a.example?q=1", "https://a.example/"),
            ("https://a.example/x?q=/y#z", "https://a.example/x"),
            ("https://a.example/x#z?q", "https://a.example/x"),
            ("https://a.example/%7eb/%41", "https://a.example/~b/A"),
            ("https://a.example/%2f%3a", "https://a.example/%2F%3A"),
            ("https://a.example/a/./b/../c", "https://a.example/a/c"),
            ("https://a.example/a/%2e%2E/c", "https://a.example/c"),
            ("https://a.example/../c/.", "https://a.example/c/"),
            ("https://a.example/a/..", "https://a.example/"),
            ("https://a.example//a//", "https://a.example//a//"),
            ("https://a.example/\u{e9}|", "https://a.example/%C3%A9%7C"),
            ("http://[FE80::1]:80/x", "http://[fe80::1]/x"),
            ("http://[::1]:9000/x", "http://[::1]:9000/x"),
        ] {
            let read = DpopUri::parse(text).map(|uri| uri.to_string());
            assert_eq!(read.as_deref(), Ok(expected), "{text}");
            let again = DpopUri::parse(expected).map(|uri| uri.to_string());
            assert_eq!(again.as_deref(), Ok(expected), "one spelling is final");
        }
    }

    #[test]
    fn other_addresses_stay_other_addresses() {
        let base = DpopUri::parse("https://a.example/x").unwrap();
        for other in [
            "http://a.example/x",
            "https://a.example:8443/x",
            "https://b.example/x",
            "https://a.example.evil.example/x",
            "https://a.example./x",
            "https://a.example/X",
            "https://a.example/x/",
            "https://a.example//x",
            "https://a.example/x%2F",
        ] {
            assert_ne!(DpopUri::parse(other).as_ref(), Ok(&base), "{other}");
        }
    }

    #[test]
    fn what_two_programs_could_read_differently_is_no_address() {
        for text in [
            "",
            "a.example/x",
            "//a.example/x",
            "ftp://a.example/x",
            "https:a.example",
            "https:///x",
            "https://?x",
            "https://u@a.example/x",
            "https://u:p@a.example/x",
            "https://a.example\\@b.example/x",
            "https://a.example/a\\b",
            "https://a.example/a b",
            "https://a.example/a\tb",
            "https://a.example/%",
            "https://a.example/%4",
            "https://a.example/%zz",
            "https://a.example/%+1",
            "https://a.example:99999/",
            "https://a.example:8o/",
            "https://a.example:+80/",
            "https://a:1:2/",
            "https://[::1/",
            "https://[a.example]/",
            "https://\u{e9}.example/",
        ] {
            assert_eq!(DpopUri::parse(text), Err(InvalidDpopUri), "{text:?}");
        }
    }
}
