//! The place in an issuer's list up to which it is known.

use http::HeaderValue;

/// Longest that is taken: ours have some 30 characters.
const MAX_LENGTH: usize = 64;

/// What an issuer calls an event. It goes back to the issuer in a header and in an address, so it has letters, digits, `.`, `-` and
/// `_` alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EventId(String);

impl EventId {
    /// `None`: who sends such a one is asked for the whole list.
    pub(super) fn new(text: String) -> Option<Self> {
        let is_usual = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
        let is_id = (1..=MAX_LENGTH).contains(&text.len()) && text.bytes().all(is_usual);
        is_id.then_some(Self(text))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(&self.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_become_another_address_is_no_event_id() {
        assert!(EventId::new("8d2f60a1c3b49e77.17".into()).is_some());
        for bad in ["", "a&b=c", "a#", "a b", "a/..", "a\r\nb", "\u{e9}"] {
            assert_eq!(EventId::new(bad.into()), None, "{bad:?}");
        }
        assert_eq!(EventId::new("a".repeat(65)), None);
    }
}
