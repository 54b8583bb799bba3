//! Text that must not be seen.

use std::fmt;

use zeroize::Zeroizing;

/// A secret text, such as a client secret.
///
/// `Debug` shows three stars, there is no `Display` and no serialisation, and the memory is overwritten when
/// the value is dropped. It has no `==`: compare what [`expose`](Self::expose) returns in constant time.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps `text`.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The secret itself. The caller must keep it out of logs, errors and metrics.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn push_str(&mut self, text: &str) {
        self.0.push_str(text);
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_text_and_its_length() {
        assert_eq!(format!("{:?}", Secret::new("InternalSecret123!")), "***");
        assert_eq!(
            format!("{:#?}", Some(Secret::from(""))),
            "Some(\n    ***,\n)"
        );
    }

    #[test]
    fn the_text_is_there_for_who_asks() {
        assert_eq!(Secret::from("s".to_owned()).expose(), "s");
    }
}
