//! What of a request goes on that a program has made, or has been sent and hands on.

use hallpass_upstream::is_for_a_secret;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{HeaderMap, HeaderName};

use crate::client::Kept;

/// Headers that belong to the connection, to the framing of the message or to identity: set anew, or not at all. What interceptors
/// of the caller see is what is left.
const NOT_TAKEN: [HeaderName; 10] = [
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    HOST,
    PROXY_AUTHORIZATION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("dpop"),
];
/// Who calls, in plain words, as the resource layer writes it for this service: another one writes its own, from the token.
const IDENTITY: [&str; 3] = ["x-user-id", "x-username", "x-authorities"];
/// What a third party has no use for: how long this estate waits, and what its products of tracing say to themselves.
const FOR_OURS: [&str; 5] = [
    "x-request-timeout-ms",
    "grpc-timeout",
    "x-envoy-expected-rq-timeout-ms",
    "tracestate",
    "baggage",
];

/// Takes out what does not go on, but for what code has named in `passed`. Names count in every spelling: servers behind read any sign as
/// a hyphen.
pub(super) fn clean(headers: &mut HeaderMap, kept: &Kept, passed: &[HeaderName]) {
    let of_connection: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        .collect();
    for name in NOT_TAKEN.iter().chain(&of_connection) {
        headers.remove(name);
    }
    let stays = |name: &HeaderName| stays(name, kept) && !passed.contains(name);
    if headers.keys().any(stays) {
        let staying: Vec<_> = headers.keys().filter(|name| stays(name)).cloned().collect();
        for name in staying {
            headers.remove(name);
        }
    }
}

fn stays(name: &HeaderName, kept: &Kept) -> bool {
    let is_one_of = |names: &[&str]| names.iter().any(|it| are_alike(name.as_str(), it));
    let is_of_context = || {
        kept.context
            .iter()
            .any(|it| are_alike(name.as_str(), it.as_str()))
    };
    let is_for_ours = || {
        let deadline = kept.deadline.as_ref();
        let is_deadline = deadline.is_some_and(|it| are_alike(name.as_str(), it.as_str()));
        is_deadline || is_one_of(&FOR_OURS) || is_for_a_secret(name)
    };
    is_one_of(&IDENTITY) || is_of_context() || (!kept.is_ours && is_for_ours())
}

/// Whether both are one name to a program that reads any sign as a hyphen.
fn are_alike(one: &str, other: &str) -> bool {
    let is_sign = |byte: u8| !byte.is_ascii_alphanumeric();
    let mut pairs = one.bytes().zip(other.bytes());
    one.len() == other.len()
        && pairs.all(|(one, other)| one == other || (is_sign(one) && is_sign(other)))
}
