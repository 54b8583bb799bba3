//! One attack.

/// What an attack must get in return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// This status, and this code in the problem body: the resource server refuses.
    Refused(u16, &'static str),
    /// This status without a problem body, or no response at all: it is no request, and the listener refuses.
    NoRequest(u16),
    /// No response but a refusal, whichever: versions of the parser may differ.
    AnyRefusal,
}

/// What is sent, byte for byte, and what must come back.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) expected: Expected,
    /// Whether the bytes are those of HTTP/2.
    pub(crate) is_http2: bool,
}

impl Case {
    pub(crate) fn new(
        name: impl Into<String>,
        bytes: impl Into<Vec<u8>>,
        expected: Expected,
    ) -> Self {
        Self {
            name: name.into(),
            bytes: bytes.into(),
            expected,
            is_http2: false,
        }
    }

    /// `GET /orders/7` with this token, which is not valid here.
    pub(crate) fn bad_token(name: impl Into<String>, token: &str) -> Self {
        let expected = Expected::Refused(401, "invalid_token");
        Self::new(name, with_token("GET /orders/7", token), expected)
    }
}

/// A request of this method and target with a bearer token.
pub(crate) fn with_token(line: &str, token: &str) -> Vec<u8> {
    request(line, &format!("authorization: Bearer {token}\r\n"))
}

/// A request of this method and target with these header lines.
pub(crate) fn request(line: &str, headers: &str) -> Vec<u8> {
    format!("{line} HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n{headers}\r\n").into_bytes()
}
