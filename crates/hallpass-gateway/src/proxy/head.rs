//! What a head may ask of this hop, before anything is decided about it.

use http::header::{CONTENT_LENGTH, HeaderValue, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, Method, Version};

use super::hop_by_hop::Kept;

/// How the body of a request is to be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// There is none.
    NoBody,
    /// So many bytes.
    Length(u64),
    /// Nobody knows how many.
    Unknown,
}

/// A head that is not for an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFault {
    /// `CONNECT`, `TRACE`: nothing here is a tunnel or an echo.
    Method,
    /// The request target is no path.
    Target,
    /// The length of the body is said in two ways.
    TwoLengths,
    /// The body is coded in a way that nobody here can undo (RFC 9112 section 6.1).
    Coding,
}

/// Looks at a request as it came.
///
/// # Errors
/// [`HeadFault`].
pub(crate) fn check(parts: &Parts) -> Result<(), HeadFault> {
    if parts.method == Method::CONNECT || parts.method == Method::TRACE {
        return Err(HeadFault::Method);
    }
    if !parts.uri.path().starts_with('/') {
        return Err(HeadFault::Target);
    }
    has_one_length(&parts.headers)
}

/// Whether headers say the length of a body in one way at most. The reader of the connection has decided by then which one counts; this is for what
/// it lets through.
pub(crate) fn has_one_length(headers: &HeaderMap) -> Result<(), HeadFault> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let has_length = lengths.next().is_some();
    if lengths.next().is_some() {
        return Err(HeadFault::TwoLengths);
    }
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else {
        return Ok(());
    };
    if codings.next().is_some()
        || !coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"chunked")
    {
        return Err(HeadFault::Coding);
    }
    match has_length {
        true => Err(HeadFault::TwoLengths),
        false => Ok(()),
    }
}

impl Framing {
    /// Of a body, by what its reader knows of it.
    pub(crate) fn of<B: http_body::Body>(body: &B) -> Self {
        match (body.is_end_stream(), body.size_hint().exact()) {
            (true, _) | (_, Some(0)) => Self::NoBody,
            (false, Some(length)) => Self::Length(length),
            (false, None) => Self::Unknown,
        }
    }

    /// Says it in the headers of the request that is sent: always by this side, never as it came.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        match self {
            // `Content-Length: 0` stays as it came; the next side makes nothing else of a body that has ended.
            Self::NoBody => {}
            Self::Length(length) => {
                // A peer of HTTP/2 need not say it.
                if !headers.contains_key(CONTENT_LENGTH) {
                    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
                }
            }
            Self::Unknown => {
                // Without it the body of a GET would be left out.
                headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
            }
        }
    }
}

/// Whether a request asks for a WebSocket (RFC 6455 section 4.1), and for nothing beside it. Every other upgrade is not handed on: who would speak
/// HTTP/2 behind `Upgrade: h2c` would speak past every decision.
pub(crate) fn asks_for_websocket(parts: &Parts, kept: &Kept, framing: Framing) -> bool {
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    kept.upgrade.as_ref().is_some_and(is_websocket)
        && parts.method == Method::GET
        && parts.version == Version::HTTP_11
        && framing == Framing::NoBody
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn parts(method: &str, target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    #[test]
    fn what_is_no_request_to_a_path_is_not_for_an_upstream() {
        for (method, target, expected) in [
            ("GET", "/a", Ok(())),
            ("OPTIONS", "/a", Ok(())),
            ("GET", "http://shop.example/a", Ok(())),
            ("OPTIONS", "*", Err(HeadFault::Target)),
            ("TRACE", "/a", Err(HeadFault::Method)),
            ("CONNECT", "shop.example:443", Err(HeadFault::Method)),
        ] {
            assert_eq!(
                check(&parts(method, target, &[])),
                expected,
                "{method} {target}"
            );
        }
    }

    #[test]
    fn a_body_has_one_length() {
        let (length, coding) = ("content-length", "transfer-encoding");
        for (fields, expected) in [
            (&[][..], Ok(())),
            (&[(length, "5")], Ok(())),
            (&[(coding, "chunked")], Ok(())),
            (&[(coding, " Chunked")], Ok(())),
            (&[(length, "5"), (length, "5")], Err(HeadFault::TwoLengths)),
            (
                &[(length, "5"), (coding, "chunked")],
                Err(HeadFault::TwoLengths),
            ),
            (&[(coding, "gzip, chunked")], Err(HeadFault::Coding)),
            (&[(coding, "chunked, chunked")], Err(HeadFault::Coding)),
            (&[(coding, "identity")], Err(HeadFault::Coding)),
            (
                &[(coding, "chunked"), (coding, "chunked")],
                Err(HeadFault::Coding),
            ),
            (&[(coding, "\u{b}chunked")], Err(HeadFault::Coding)),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in fields {
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    headers.append(*name, value);
                }
            }
            if headers.len() == fields.len() {
                assert_eq!(has_one_length(&headers), expected, "{fields:?}");
            }
        }
    }

    /// A body of which nobody has read yet whether it has ended.
    struct Unread(Option<u64>);

    impl http_body::Body for Unread {
        type Data = bytes::Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(
            self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
            std::task::Poll::Ready(None)
        }

        fn size_hint(&self) -> http_body::SizeHint {
            self.0.map_or_else(
                http_body::SizeHint::default,
                http_body::SizeHint::with_exact,
            )
        }
    }

    #[test]
    fn a_body_is_framed_by_what_its_reader_knows() {
        let empty = http_body_util::Empty::<bytes::Bytes>::new();
        assert_eq!(Framing::of(&empty), Framing::NoBody);
        assert_eq!(Framing::of(&Unread(Some(0))), Framing::NoBody);
        assert_eq!(Framing::of(&Unread(Some(7))), Framing::Length(7));
        assert_eq!(Framing::of(&Unread(None)), Framing::Unknown);
    }

    #[test]
    fn the_length_of_what_is_sent_is_said_once_and_by_this_side() {
        let length = |value| HeaderValue::from_static(value);
        let written = |framing: Framing, came: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(came) = came {
                headers.insert(CONTENT_LENGTH, length(came));
            }
            framing.write(&mut headers);
            let of = |name| headers.get(name).cloned();
            assert!(headers.len() < 2, "{headers:?}");
            (of(CONTENT_LENGTH), of(TRANSFER_ENCODING))
        };
        let chunked = || Some(HeaderValue::from_static("chunked"));
        assert_eq!(written(Framing::NoBody, None), (None, None));
        let zero = written(Framing::NoBody, Some("0"));
        assert_eq!(zero, (Some(length("0")), None));
        assert_eq!(written(Framing::Length(7), None), (Some(length("7")), None));
        let seven = written(Framing::Length(7), Some("7"));
        assert_eq!(seven, (Some(length("7")), None));
        assert_eq!(written(Framing::Unknown, None), (None, chunked()));
    }

    #[test]
    fn a_websocket_is_asked_for_by_a_get_of_http_1_1_without_a_body() {
        let asks = |parts: &Parts, upgrade: &'static str, framing| {
            let kept = Kept {
                upgrade: Some(HeaderValue::from_static(upgrade)),
                ..Kept::default()
            };
            asks_for_websocket(parts, &kept, framing)
        };
        let get = parts("GET", "/chat", &[]);
        assert!(asks(&get, "WebSocket", Framing::NoBody));
        assert!(!asks(&get, "websocket", Framing::Length(1)));
        assert!(!asks(&get, "websocket, h2c", Framing::NoBody));
        assert!(!asks(&get, "h2c", Framing::NoBody));
        assert!(!asks(
            &parts("POST", "/chat", &[]),
            "websocket",
            Framing::NoBody
        ));
        let mut old = parts("GET", "/chat", &[]);
        old.version = Version::HTTP_10;
        assert!(!asks(&old, "websocket", Framing::NoBody));
        assert!(!asks_for_websocket(&get, &Kept::default(), Framing::NoBody));
    }
}
