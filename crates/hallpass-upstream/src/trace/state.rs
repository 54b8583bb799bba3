//! `tracestate` (W3C Trace Context, section 3.3): what products of tracing pass on to themselves. It is not looked into beyond its form.

use http::{HeaderMap, HeaderName, HeaderValue};

/// Its name.
pub(super) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// Longest one that is passed on, in bytes. Section 3.3.1.5 asks for as many at least.
const MAX_BYTES: usize = 512;
/// Most members.
const MAX_MEMBERS: usize = 32;
/// Longest key, and longest value of a member.
const MAX_PART_BYTES: usize = 256;

/// The one of these headers, as one value: the members that fit, from the left, where the newest stand. `None` without any, and when one is malformed.
pub(super) fn read(headers: &HeaderMap) -> Option<HeaderValue> {
    let mut kept = Vec::new();
    let mut members = 0;
    let mut is_full = false;
    for header in headers.get_all(TRACESTATE) {
        for member in header.as_bytes().split(|byte| *byte == b',') {
            let member = member.trim_ascii();
            if member.is_empty() {
                continue;
            }
            if !is_member(member) {
                return None;
            }
            let needed = member.len() + usize::from(!kept.is_empty());
            is_full |= members == MAX_MEMBERS || kept.len() + needed > MAX_BYTES;
            if !is_full {
                if !kept.is_empty() {
                    kept.push(b',');
                }
                kept.extend_from_slice(member);
                members += 1;
            }
        }
    }
    if kept.is_empty() {
        return None;
    }
    HeaderValue::try_from(kept).ok()
}

/// Whether it is `key=value` of the characters that they may have.
fn is_member(member: &[u8]) -> bool {
    let Some(at) = member.iter().position(|byte| *byte == b'=') else {
        return false;
    };
    let (key, value) = member.split_at(at);
    let value = value.get(1..).unwrap_or_default();
    let is_key =
        |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let is_value = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    let fits = |part: &[u8]| (1..=MAX_PART_BYTES).contains(&part.len());
    fits(key) && fits(value) && key.iter().all(is_key) && value.iter().all(is_value)
}
