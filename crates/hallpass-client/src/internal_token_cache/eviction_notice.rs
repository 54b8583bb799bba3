//! What processes that share a tier tell each other of evicted tokens.

use std::fmt;

/// Longest notice that is read. A key has some hundred bytes, the seal about a hundred.
const MAX_NOTICE_BYTES: usize = 8 * 1024;
/// First byte of a notice, so that another form can follow.
const FORMAT: u8 = 1;
/// Length of the length of the key.
const LENGTH_BYTES: usize = size_of::<u32>();

/// Says that tokens of one key which were issued up to a moment are not used any more.
///
/// The key is readable, the moment is sealed by somebody who knows the client's secret; nobody else can make a notice that is
/// followed. One that is sent again changes nothing, because it names its moment. A tier carries the bytes and need not
/// look into them.
#[derive(Clone, PartialEq, Eq)]
pub struct EvictionNotice {
    key: Box<[u8]>,
    sealed: Box<str>,
}

/// What a tier tells a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TierEvent {
    /// Somebody, perhaps this very service, evicted tokens.
    Evicted(EvictionNotice),
    /// Notices may have been missed, for instance because a connection was away.
    Missed,
}

impl EvictionNotice {
    pub(crate) fn new(key: Vec<u8>, sealed: String) -> Self {
        Self {
            key: key.into(),
            sealed: sealed.into(),
        }
    }

    /// The key's [`to_bytes`](crate::TokenKey::to_bytes). Nothing proves it: only the seal does, which is opened with it.
    #[must_use]
    pub fn key_bytes(&self) -> &[u8] {
        &self.key
    }

    pub(crate) fn sealed(&self) -> &str {
        &self.sealed
    }

    /// The notice as a message.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.key.len()).unwrap_or(u32::MAX);
        let mut bytes = vec![FORMAT];
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&self.key);
        bytes.extend_from_slice(self.sealed.as_bytes());
        bytes
    }

    /// Reads a message. `None` when it is none of ours, or longer than 8 KiB.
    ///
    /// Not checked: who wrote it.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        if message.len() > MAX_NOTICE_BYTES {
            return None;
        }
        let (format, rest) = message.split_first()?;
        let (length, rest) = rest.split_at_checked(LENGTH_BYTES)?;
        let length = u32::from_be_bytes(length.try_into().ok()?);
        let (key, sealed) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let sealed = std::str::from_utf8(sealed).ok()?;
        (*format == FORMAT).then(|| Self {
            key: key.into(),
            sealed: sealed.into(),
        })
    }
}

impl fmt::Debug for EvictionNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvictionNotice").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_notice_is_read_as_it_was_written(key in prop::collection::vec(any::<u8>(), 0..300), sealed in "[A-Za-z0-9+/]{0,120}") {
            let notice = EvictionNotice { key: key.into(), sealed: sealed.into() };
            prop_assert_eq!(EvictionNotice::parse(&notice.to_bytes()), Some(notice));
        }

        #[test]
        fn no_message_of_others_breaks_the_reader(message in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = EvictionNotice::parse(&message);
        }
    }

    #[test]
    fn messages_of_another_form_and_long_ones_are_no_notices() {
        let notice = EvictionNotice {
            key: vec![7; 20].into(),
            sealed: "seal".into(),
        };
        let mut other = notice.to_bytes();
        other[0] = 2;
        let mut cut = notice.to_bytes();
        cut.truncate(20);
        let mut long = notice.to_bytes();
        long.resize(MAX_NOTICE_BYTES, b'A');
        assert!(EvictionNotice::parse(&long).is_some());
        long.push(b'A');
        for message in [other, cut, long, Vec::new()] {
            assert_eq!(EvictionNotice::parse(&message), None);
        }
    }
}
