//! The request that a proxy asks about, made of what the proxy says of it. What is missing or said twice is never guessed.

use bytes::Bytes;
use hallpass_tls::UnverifiedPeerCertificates;
use http::header::HOST;
use http::request::Parts;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Request, Uri};

/// Why a question cannot be answered; the request that it is about is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The proxy does not say it.
    Missing(&'static str),
    /// It is said more than once, and the two need not be the same.
    Several(&'static str),
    /// It is not what it has to be.
    Unreadable(&'static str),
    /// It is said in two places, and they differ.
    Conflicting(&'static str),
}

impl Fault {
    /// For the metrics.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Several(_) => "several",
            Self::Unreadable(_) => "unreadable",
            Self::Conflicting(_) => "conflicting",
        }
    }

    /// What it is about: a header, or a part of a message.
    pub(crate) const fn subject(self) -> &'static str {
        match self {
            Self::Missing(subject)
            | Self::Several(subject)
            | Self::Unreadable(subject)
            | Self::Conflicting(subject) => subject,
        }
    }
}

/// The head of a request, as its sender wrote it.
#[derive(Debug)]
pub(crate) struct Original {
    pub(crate) method: Method,
    pub(crate) target: PathAndQuery,
    /// As a request names it, with its port.
    pub(crate) host: HeaderValue,
    /// Of the request; those that the proxy has added for this question may be among them, and are not looked at.
    pub(crate) headers: HeaderMap,
    /// What its sender has shown to the proxy, if that is believed.
    pub(crate) certificate: Option<UnverifiedPeerCertificates>,
    /// Whether the proxy takes headers from the request that the answer names, and not only copies others onto it.
    pub(crate) can_remove: bool,
}

impl Original {
    /// The head that is judged. What the connection of this question shows is the proxy's and never its caller's, so it is not
    /// among the extensions.
    pub(crate) fn into_parts(self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method;
        parts.uri = Uri::from(self.target);
        parts.headers = self.headers;
        parts.headers.insert(HOST, self.host);
        if let Some(certificate) = self.certificate {
            parts.extensions.insert(certificate);
        }
        parts
    }
}

/// The one value of a header that the protocol demands.
pub(crate) fn single<'h>(
    headers: &'h HeaderMap,
    header: &'static str,
) -> Result<&'h HeaderValue, Fault> {
    let mut values = headers.get_all(header).iter();
    let value = values.next().ok_or(Fault::Missing(header))?;
    match values.next() {
        None => Ok(value),
        Some(_) => Err(Fault::Several(header)),
    }
}

/// A request target in origin form (RFC 9112 section 3.2.1). `*`, a whole address and a host alone have no path to judge.
pub(crate) fn target(text: &[u8], subject: &'static str) -> Result<PathAndQuery, Fault> {
    if text.is_empty() {
        return Err(Fault::Missing(subject));
    }
    // A fragment is no part of a target, and would be cut off here while others may keep it.
    if !text.starts_with(b"/") || text.contains(&b'#') {
        return Err(Fault::Unreadable(subject));
    }
    PathAndQuery::from_maybe_shared(Bytes::copy_from_slice(text))
        .map_err(|_| Fault::Unreadable(subject))
}

/// A method by its name; letter case counts (RFC 9110 section 9.1).
pub(crate) fn method(text: &[u8], subject: &'static str) -> Result<Method, Fault> {
    match text {
        [] => Err(Fault::Missing(subject)),
        text => Method::from_bytes(text).map_err(|_| Fault::Unreadable(subject)),
    }
}

/// A host with or without its port. A list of hosts, as a chain of proxies may write it, is none.
pub(crate) fn host(value: &HeaderValue, subject: &'static str) -> Result<HeaderValue, Fault> {
    if value.is_empty() {
        return Err(Fault::Missing(subject));
    }
    let authority =
        Authority::try_from(value.as_bytes()).map_err(|_| Fault::Unreadable(subject))?;
    match authority.as_str().contains('@') {
        true => Err(Fault::Unreadable(subject)),
        false => Ok(value.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_taken_as_it_was_sent_or_not_at_all() {
        for text in ["/", "/a?b=/../c", "/a%2Fb", "//a", "/a/../b", "/%"] {
            let read = target(text.as_bytes(), "t").unwrap();
            assert_eq!(read.as_str(), text);
        }
        assert_eq!(target(b"", "t"), Err(Fault::Missing("t")));
        for text in [
            "*",
            "a",
            "http://shop.example/a",
            "shop.example:80",
            "/a#b",
            "/a b",
            "/a\tb",
            "?a=/b",
            "\\a",
            " /a",
        ] {
            assert_eq!(
                target(text.as_bytes(), "t"),
                Err(Fault::Unreadable("t")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_host_is_one_host() {
        for text in ["shop.example", "shop.example:8443", "[::1]:80", "10.0.0.7"] {
            let value = HeaderValue::from_static(text);
            assert_eq!(host(&value, "h"), Ok(value.clone()));
        }
        assert_eq!(
            host(&HeaderValue::from_static(""), "h"),
            Err(Fault::Missing("h"))
        );
        for text in [
            "a.example, b.example",
            "u@shop.example",
            "shop.example/a",
            "a b",
            "http://a",
        ] {
            let value = HeaderValue::from_static(text);
            assert_eq!(host(&value, "h"), Err(Fault::Unreadable("h")), "{text}");
        }
    }

    #[test]
    fn a_method_is_what_it_says() {
        assert_eq!(method(b"PURGE", "m").unwrap().as_str(), "PURGE");
        assert_eq!(method(b"get", "m").unwrap().as_str(), "get");
        assert_eq!(method(b"", "m"), Err(Fault::Missing("m")));
        assert_eq!(method(b"GET, POST", "m"), Err(Fault::Unreadable("m")));
    }
}
