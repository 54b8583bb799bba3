//! The text of path and query, from where it is put together to the request: one allocation, which copies of the request share.

use std::cell::Cell;

use bytes::Bytes;
use http::uri::{InvalidUri, PathAndQuery};

/// Most are no longer, in bytes. So much text stands beside its count of references; longer text has it in an allocation of its own.
const USUAL_BYTES: usize = 120;
/// What has room for more is not kept: one long query would take its memory for good.
const MOST_KEPT_BYTES: usize = 1024;

thread_local! {
    /// Where the text is put together.
    static DRAFT: Cell<Option<String>> = const { Cell::new(None) };
}

/// An empty text.
pub(super) fn begin() -> String {
    // Where the thread ends, or another call is being put together, there is none.
    let draft = DRAFT.try_with(Cell::take).ok().flatten();
    draft.unwrap_or_else(|| String::with_capacity(USUAL_BYTES))
}

/// What was put together.
///
/// # Errors
/// It is no path with a query.
pub(super) fn finish(text: String) -> Result<PathAndQuery, InvalidUri> {
    let Some(usual) = Usual::of(&text) else {
        return PathAndQuery::try_from(text);
    };
    give_back(text);
    PathAndQuery::from_maybe_shared(Bytes::from_owner(usual))
}

fn give_back(mut text: String) {
    if text.capacity() <= MOST_KEPT_BYTES {
        text.clear();
        // Where the thread ends it goes with it.
        _ = DRAFT.try_with(|draft| draft.set(Some(text)));
    }
}

/// A text of the usual length.
struct Usual {
    bytes: [u8; USUAL_BYTES],
    length: usize,
}

impl Usual {
    fn of(text: &str) -> Option<Self> {
        let mut bytes = [0; USUAL_BYTES];
        let length = text.len();
        bytes.get_mut(..length)?.copy_from_slice(text.as_bytes());
        Some(Self { bytes, length })
    }
}

impl AsRef<[u8]> for Usual {
    fn as_ref(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_any_length_arrive_whole_and_nothing_of_one_is_in_the_next() {
        let text = |length: usize| format!("/{}?b", "a".repeat(length));
        for length in [0, 1, 7, USUAL_BYTES - 3, USUAL_BYTES - 2, 400, 5_000, 3] {
            let mut draft = begin();
            assert_eq!(draft, "");
            draft.push_str(&text(length));
            assert_eq!(finish(draft).unwrap().as_str(), text(length));
        }
        assert!(finish(" /".to_owned()).is_err());
    }

    #[test]
    fn two_that_are_put_together_at_once_do_not_meet() {
        let (mut one, mut other) = (begin(), begin());
        one.push_str("/one");
        other.push_str("/other");
        assert_eq!(finish(one).unwrap().as_str(), "/one");
        assert_eq!(finish(other).unwrap().as_str(), "/other");
    }
}
