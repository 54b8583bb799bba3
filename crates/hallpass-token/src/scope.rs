//! What a token allows: a set of words.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::de::{self, Deserialize, Deserializer};
use serde::{Serialize, Serializer};

/// A set of scope words (RFC 6749 section 3.3), such as `orders.read orders.write`.
///
/// Order and repetition do not matter: equal sets are equal values with one text form, sorted. Words are
/// case-sensitive. Cheap to clone; the empty scope allocates nothing.
///
/// ```
/// use hallpass_token::Scope;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let granted: Scope = "orders.write orders.read".parse()?;
/// assert_eq!(granted.as_str(), "orders.read orders.write");
/// assert!(granted.contains_all(&"orders.read".parse()?));
/// assert!(!granted.contains("orders.*"), "there are no patterns");
/// # Ok(()) }
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Option<Arc<str>>); // None: empty. Some: the words, sorted, without repetition, one space between.

impl Scope {
    /// The longest scope in bytes.
    pub const MAX_BYTES: usize = 4096;

    /// The scope that allows nothing.
    #[must_use]
    pub const fn empty() -> Self {
        Self(None)
    }

    /// The words, sorted, with one space between; empty text for the empty scope.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }

    /// The words, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.as_str().split(' ').filter(|word| !word.is_empty())
    }

    /// Whether there is no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Whether `word` is one of the words.
    #[must_use]
    pub fn contains(&self, word: &str) -> bool {
        self.iter().any(|own| own == word)
    }

    /// Whether every word of `other` is here. True when `other` is empty.
    #[must_use]
    pub fn contains_all(&self, other: &Self) -> bool {
        self.common(other).count() == other.iter().count()
    }

    /// Whether at least one word of `other` is here. False when `other` is empty.
    #[must_use]
    pub fn contains_any(&self, other: &Self) -> bool {
        self.common(other).next().is_some()
    }

    /// The words that are in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        Self::from_sorted(&self.common(other).collect::<Vec<_>>())
    }

    /// The words that are in both, in one walk along both: each is sorted, and either may come from a stranger.
    fn common<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        let mut theirs = other.iter().peekable();
        self.iter().filter(move |own| {
            while theirs.next_if(|their| their < own).is_some() {}
            theirs.peek() == Some(own)
        })
    }

    /// The scope of exactly one word.
    ///
    /// # Errors
    /// [`InvalidScope`] when the text is not a scope word, or over [`Scope::MAX_BYTES`].
    pub fn from_word(word: &str) -> Result<Self, InvalidScope> {
        if word.len() > Self::MAX_BYTES || !is_word(word) {
            return Err(InvalidScope);
        }
        Ok(Self(Some(Arc::from(word))))
    }

    /// The scope of the given words.
    ///
    /// # Errors
    /// [`InvalidScope`] when one of them is not a scope word, or all of them are over [`Scope::MAX_BYTES`].
    pub fn from_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, InvalidScope> {
        let mut words: Vec<&str> = words.into_iter().collect();
        if words.iter().any(|word| !is_word(word))
            || words.iter().map(|word| word.len() + 1).sum::<usize>() > Self::MAX_BYTES + 1
        {
            return Err(InvalidScope);
        }
        words.sort_unstable();
        words.dedup();
        Ok(Self::from_sorted(&words))
    }

    fn from_sorted(words: &[&str]) -> Self {
        match words {
            [] => Self(None),
            [word] => Self(Some(Arc::from(*word))),
            _ => Self(Some(Arc::from(words.join(" ")))),
        }
    }
}

/// The text is not a scope: a character outside RFC 6749 section 3.3, an empty word, or too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a scope: words of printable ASCII without quote and backslash, one space between")]
pub struct InvalidScope;

/// `scope-token = 1*( %x21 / %x23-5B / %x5D-7E )`
fn is_word(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|byte| matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E))
}

impl FromStr for Scope {
    type Err = InvalidScope;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        // One word, the usual case, needs no sorting and one allocation.
        Self::from_word(text).or_else(|_| Self::from_words(text.split(' ')))
    }
}

impl TryFrom<&str> for Scope {
    type Error = InvalidScope;

    fn try_from(text: &str) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Scope({:?})", self.as_str())
    }
}

impl Serialize for Scope {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Scope {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidScope, Scope};

    fn scope(text: &str) -> Scope {
        text.parse().unwrap()
    }

    #[test]
    fn one_word_is_neither_none_nor_two() {
        assert_eq!(Scope::from_word("read"), Ok(scope("read")));
        let long = "x".repeat(Scope::MAX_BYTES + 1);
        for text in ["", "a b", " a", "a\tb", "\"", long.as_str()] {
            assert_eq!(Scope::from_word(text), Err(InvalidScope), "{text}");
        }
    }

    #[test]
    fn order_and_repetition_do_not_matter() {
        assert_eq!(scope("b a b"), scope("a b"));
        assert_eq!(scope("b a b").to_string(), "a b");
        assert_eq!(scope("").iter().count(), 0);
        assert!(scope("").is_empty());
        assert_eq!(scope(""), Scope::empty());
    }

    #[test]
    fn words_are_whole_and_case_sensitive() {
        let have = scope("orders.read internal-service");
        assert!(have.contains("internal-service"));
        for word in [
            "internal",
            "service",
            "Internal-service",
            "",
            "orders.read internal-service",
        ] {
            assert!(!have.contains(word), "{word:?}");
        }
    }

    #[test]
    fn refuses_what_rfc_6749_does_not_allow() {
        for text in [
            " ",
            "a  b",
            " a",
            "a ",
            "a\tb",
            "a\"b",
            "a\\b",
            "é",
            "a\nb",
            &"x".repeat(Scope::MAX_BYTES + 1),
        ] {
            assert_eq!(text.parse::<Scope>(), Err(InvalidScope), "{text:?}");
        }
    }

    #[test]
    fn all_any_and_intersection_follow_set_algebra() {
        assert!(scope("a b c").contains_all(&scope("c a")));
        assert!(!scope("a b").contains_all(&scope("a d")));
        assert!(scope("a").contains_all(&scope("")));
        assert!(scope("a b").contains_any(&scope("d b")));
        assert!(!scope("a b").contains_any(&scope("")));
        assert_eq!(scope("a b c").intersection(&scope("d c b")), scope("b c"));
    }
}
