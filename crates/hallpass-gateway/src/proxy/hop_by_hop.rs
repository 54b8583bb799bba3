//! The header fields that end at this hop (RFC 9110 section 7.6.1).
//!
//! They are taken out before the decision, so that what is judged is what is sent on.

use http::header::{
    CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, DATE, EXPECT, HOST, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::of_proxies::is_of_proxies;

/// The handle that a sidecar puts into the place of a caller: nobody outside may have it left out.
pub(crate) const CONTEXT_HANDLE: HeaderName = HeaderName::from_static("x-hallpass-context");
/// Fields that are never the sender's to take out: a request without them is another one.
const NEVER_NAMED: [HeaderName; 6] = [
    HOST,
    CONTENT_LENGTH,
    CONTENT_TYPE,
    TRANSFER_ENCODING,
    DATE,
    CONTEXT_HANDLE,
];
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
/// What belongs to an upgrade to HTTP/2 (RFC 7540 section 3.2.1).
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
/// What a message may bear that ends at this hop, whether or not `Connection` names it.
static ENDS_HERE: [HeaderName; 11] = [
    CONNECTION,
    KEEP_ALIVE,
    PROXY_CONNECTION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
    EXPECT,
    PROXY_AUTHORIZATION,
    HTTP2_SETTINGS,
    PROXY_AUTHENTICATE,
];

/// What was said by the fields that are gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// What the sender would like to go on with, where `Connection` names it as well.
    pub(crate) upgrade: Option<HeaderValue>,
    /// Whether trailers are welcome (`TE: trailers`).
    pub(crate) wants_trailers: bool,
    /// Whether the sender waits for a word before it sends the body.
    pub(crate) waits: bool,
}

/// `Connection` names a field that a request cannot be without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NamesWhatStays;

/// Takes out of the headers of a request what ends here.
///
/// # Errors
/// [`NamesWhatStays`].
pub(crate) fn take_out(headers: &mut HeaderMap) -> Result<Kept, NamesWhatStays> {
    let mut found = Found::look(headers);
    // That of a request says nothing to anybody, and is the sender's.
    found.forget(&PROXY_AUTHENTICATE);
    if found.is_nothing() {
        return Ok(Kept::default());
    }
    let mut kept = Kept {
        upgrade: None,
        wants_trailers: found.has(&TE) && wants_trailers(headers),
        waits: found.has(&EXPECT),
    };
    let named = found.named(headers);
    if named.iter().any(|it| NEVER_NAMED.contains(it)) {
        return Err(NamesWhatStays);
    }
    if named.contains(&UPGRADE) {
        let mut asked = headers.get_all(UPGRADE).iter();
        kept.upgrade = asked.next().cloned().filter(|_| asked.next().is_none());
    }
    // What only proxies write is never the caller's to take out: a proxy in front that hands `Connection` on would let it hide its address.
    let named = named.iter().filter(|it| !is_of_proxies(it.as_str()));
    for name in found.names().chain(named) {
        headers.remove(name);
    }
    Ok(kept)
}

/// Takes out of the headers of a response what ends here. `Connection` of a response takes nothing out that says what its body is.
pub(crate) fn take_out_of_response(headers: &mut HeaderMap) {
    let found = Found::look(headers);
    if found.is_nothing() {
        return;
    }
    let named = found.named(headers);
    let taken = named.iter().filter(|it| !NEVER_NAMED.contains(it));
    for name in found.names().chain(taken) {
        headers.remove(name);
    }
}

/// Which of the fields that end here are there, a bit each: nearly every message has one at most.
#[derive(Clone, Copy)]
struct Found(u16);

impl Found {
    fn look(headers: &HeaderMap) -> Self {
        // By their lengths and first letters, so that the usual field costs one comparison.
        let may_end = |name: &&HeaderName| {
            let name = name.as_str();
            matches!(
                (name.len(), name.as_bytes().first()),
                (2 | 7, Some(b't'))
                    | (6, Some(b'e'))
                    | (7, Some(b'u'))
                    | (10, Some(b'c' | b'k'))
                    | (14 | 16 | 19, Some(b'h' | b'p'))
                    | (17, Some(b't'))
                    | (18, Some(b'p'))
            )
        };
        let suspects = headers.keys().filter(may_end);
        Self(suspects.fold(0, |found, name| found | Self::bit(name)))
    }

    /// None for a name that is not among them.
    fn bit(name: &HeaderName) -> u16 {
        let place = ENDS_HERE.iter().position(|it| it == name);
        place.map_or(0, |place| 1 << place)
    }

    fn has(self, name: &HeaderName) -> bool {
        self.0 & Self::bit(name) != 0
    }

    fn forget(&mut self, name: &HeaderName) {
        self.0 &= !Self::bit(name);
    }

    const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    fn names<'n>(self) -> impl Iterator<Item = &'n HeaderName> {
        let places = ENDS_HERE.iter().enumerate();
        places.filter_map(move |(place, name)| (self.0 & 1 << place != 0).then_some(name))
    }

    fn named(self, headers: &HeaderMap) -> Vec<HeaderName> {
        match self.has(&CONNECTION) {
            true => named(headers),
            false => Vec::new(),
        }
    }
}

/// The fields that `Connection` names. What is no name of a field names nothing.
fn named(headers: &HeaderMap) -> Vec<HeaderName> {
    let options = headers.get_all(CONNECTION).iter().flat_map(tokens);
    let options = options.filter(|it| !is(it, b"keep-alive") && !is(it, b"close"));
    options
        .filter_map(|it| HeaderName::from_bytes(it).ok())
        .collect()
}

fn wants_trailers(headers: &HeaderMap) -> bool {
    let te = headers.get_all(TE).iter();
    te.flat_map(tokens).any(|it| is(it, b"trailers"))
}

fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let parts = value.as_bytes().split(|byte| *byte == b',');
    parts.map(<[u8]>::trim_ascii).filter(|it| !it.is_empty())
}

fn is(token: &[u8], name: &[u8]) -> bool {
    token.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn left(fields: &[(&'static str, &'static str)]) -> Result<Vec<String>, NamesWhatStays> {
        let mut headers = headers(fields);
        take_out(&mut headers)?;
        let mut names: Vec<_> = headers.keys().map(ToString::to_string).collect();
        names.sort();
        Ok(names)
    }

    #[test]
    fn what_connection_names_is_gone_and_so_is_what_always_ends_here() {
        let left = left(&[
            ("connection", "keep-alive, Authorization ,x-one"),
            ("connection", "COOKIE"),
            ("authorization", "a"),
            ("cookie", "b"),
            ("x-one", "c"),
            ("x-two", "d"),
            ("keep-alive", "e"),
            ("proxy-connection", "f"),
            ("te", "gzip"),
            ("trailer", "g"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("expect", "100-continue"),
            ("proxy-authorization", "h"),
            ("http2-settings", "i"),
            ("accept", "j"),
        ]);
        assert_eq!(left.unwrap(), ["accept", "x-two"]);
    }

    #[test]
    fn a_field_that_always_ends_here_is_found_without_being_named() {
        for name in &ENDS_HERE {
            let mut headers = HeaderMap::new();
            headers.insert(name, HeaderValue::from_static("x"));
            let found = Found::look(&headers);
            assert!(found.has(name) && found.names().eq([name]), "{name}");
            take_out(&mut headers).unwrap();
            assert_eq!(headers.is_empty(), name != PROXY_AUTHENTICATE, "{name}");
            headers.insert(name, HeaderValue::from_static("x"));
            take_out_of_response(&mut headers);
            assert!(headers.is_empty(), "{name}");
        }
    }

    #[test]
    fn what_a_request_cannot_be_without_must_not_be_named() {
        for name in [
            "host",
            "Content-Length",
            "CONTENT-TYPE",
            "close, transfer-encoding",
            "date",
            "X-Hallpass-Context",
        ] {
            assert_eq!(left(&[("connection", name)]), Err(NamesWhatStays), "{name}");
        }
        // Perl's client does so by default.
        assert_eq!(
            left(&[("connection", "TE, close"), ("te", "deflate")]).unwrap(),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_a_proxy_says_of_its_caller_is_not_the_callers_to_take_out() {
        let left = left(&[
            ("connection", "X-Forwarded-For, forwarded, x_real_ip, x-one"),
            ("x-forwarded-for", "198.51.100.1"),
            ("forwarded", "for=198.51.100.1"),
            ("x_real_ip", "198.51.100.1"),
            ("x-one", "a"),
        ]);
        assert_eq!(left.unwrap(), ["forwarded", "x-forwarded-for", "x_real_ip"]);
    }

    #[test]
    fn an_upgrade_is_asked_for_by_both_fields_and_once() {
        let upgrade = |fields: &[_]| take_out(&mut headers(fields)).unwrap().upgrade;
        let websocket = ("upgrade", "websocket");
        let asked = upgrade(&[("connection", "Upgrade"), websocket]);
        assert_eq!(asked.unwrap(), "websocket");
        assert_eq!(upgrade(&[websocket]), None);
        assert_eq!(upgrade(&[("connection", "upgrade")]), None);
        let twice = [("connection", "upgrade"), websocket, ("upgrade", "h2c")];
        assert_eq!(upgrade(&twice), None);
    }

    #[test]
    fn a_response_loses_what_ends_here_and_never_the_length_of_its_body() {
        let mut headers = headers(&[
            ("connection", "content-length, x-hop"),
            ("content-length", "5"),
            ("x-hop", "a"),
            ("x-kept", "b"),
            ("proxy-authenticate", "Basic"),
        ]);
        take_out_of_response(&mut headers);
        let mut names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "x-kept"]);
    }

    #[test]
    fn a_response_that_bears_nothing_else_of_this_hop_loses_its_question_for_credentials() {
        let mut headers = headers(&[("proxy-authenticate", "Basic"), ("x-kept", "a")]);
        take_out_of_response(&mut headers);
        let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        assert_eq!(names, ["x-kept"]);
    }

    #[test]
    fn what_connection_says_of_itself_is_no_name_of_a_field() {
        let sent = [("connection", "close, , keep-alive"), ("close", "a")];
        assert_eq!(left(&sent).unwrap(), ["close"]);
    }

    #[test]
    fn who_waits_for_a_word_is_known_by_that() {
        let waits = |fields: &[_]| take_out(&mut headers(fields)).unwrap().waits;
        assert!(waits(&[("expect", "100-continue")]));
        assert!(!waits(&[("connection", "close")]));
        assert!(!waits(&[]));
    }

    #[test]
    fn trailers_are_wanted_by_their_word_alone() {
        let wants = |value| {
            let mut headers = headers(&[("te", value)]);
            take_out(&mut headers).unwrap().wants_trailers
        };
        assert!(wants("trailers"));
        assert!(wants("gzip, Trailers"));
        assert!(!wants("gzip"));
        assert!(!wants("trailers;q=0"));
    }
}
