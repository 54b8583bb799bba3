//! URLs, read more strictly than browsers do.

use std::net::Ipv6Addr;

use url::{Host, Url};

/// A URL as RFC 3986 has it, for addresses that secrets are sent to or that others trust.
///
/// Browsers repair many mistakes silently: they drop line ends, and take `https:/host`
/// and `https:\\host` for `https://host`. What would be repaired is refused here.
/// Scheme, host, user name and fragment are not checked: the code that knows what the address is for does that.
#[must_use]
pub fn strict_url(text: &str) -> Option<Url> {
    let (_, rest) = text.split_once("://")?;
    let is_repaired = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if rest.starts_with('/') || text.contains(is_repaired) {
        return None;
    }
    Url::parse(text).ok()
}

/// Whether a user name or a password stands in the URL. Such a URL must not be shown, nor asked: what it holds would stand
/// in logs, documents and errors.
#[must_use]
pub fn has_credentials(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}

/// Whether the host is the machine itself: `localhost`, `127.0.0.0/8` or `::1`. No name is looked up.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}
