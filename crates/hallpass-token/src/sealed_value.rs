//! Values that stand sealed in a text which others can read, such as a document in a configuration server.

use std::fmt;
use std::str::FromStr;

use zeroize::Zeroizing;

use crate::sealing::{Sealer, SealingError, derived_bytes};

/// What every sealed value begins with.
const MARK: &str = "$sealed$";
const SALT: &[u8] = b"hallpass sealed value";
const LABEL: &str = "hallpass sealed value v1";
const KEY_ID_LABEL: &str = "hallpass sealed value key id v1";
/// Bytes of a key's id; twice as many characters.
const KEY_ID_BYTES: usize = 4;
/// Longest text that is taken for a sealed value, in bytes.
const MAX_BYTES: usize = 128 * 1024;

/// Seals values for the places where they stand, and opens them there: AES-256-GCM by a [`Sealer`], the place as associated
/// data.
///
/// ```
/// use hallpass_token::{Sealer, SealedValue, ValueSealer};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let sealer = ValueSealer::new(&Sealer::generate_key_material()?)?;
/// let sealed = sealer.seal("InternalSecret123!", "internal-token.client-secret")?.to_string();
/// assert!(sealed.starts_with("$sealed$"));
///
/// let read: SealedValue = sealed.parse()?;
/// assert_eq!(read.key_id(), sealer.key_id());
/// let opened = sealer.open(&read, "internal-token.client-secret").unwrap();
/// assert_eq!(opened.as_str(), "InternalSecret123!");
/// assert!(sealer.open(&read, "redis.password").is_none());
/// # Ok(())
/// # }
/// ```
pub struct ValueSealer {
    key_id: String,
    sealer: Sealer,
}

/// A sealed value: `$sealed$`, the id of the key, `$`, and base64. `Display` and `FromStr` are that text.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue {
    key_id: String,
    body: String,
}

/// A text that is no [`SealedValue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[error("is no whole sealed value: `$sealed$`, the id of a key, `$` and base64")]
pub struct InvalidSealedValue;

impl ValueSealer {
    /// A sealer by the key that the operator keeps; white space around it does not count.
    ///
    /// # Errors
    /// [`SealingError::KeyTooShort`] below 32 bytes. How random the key is cannot be checked.
    pub fn new(key_material: &str) -> Result<Self, SealingError> {
        let sealer = Sealer::derive(key_material, SALT, LABEL)?;
        let id = derived_bytes(key_material.trim().as_bytes(), SALT, KEY_ID_LABEL)?;
        let id = id.iter().take(KEY_ID_BYTES);
        Ok(Self {
            key_id: id.map(|byte| format!("{byte:02x}")).collect(),
            sealer,
        })
    }

    /// What tells the key from others: 8 hexadecimal digits that come of it and say nothing of it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Seals `value`; its length shows. It opens only at `place`.
    ///
    /// # Errors
    /// [`SealingError::Sealing`] when the library could not.
    pub fn seal(&self, value: &str, place: &str) -> Result<SealedValue, SealingError> {
        Ok(SealedValue {
            key_id: self.key_id.clone(),
            body: self.sealer.seal(value.as_bytes(), place.as_bytes())?,
        })
    }

    /// Opens `sealed`; `None` when it was sealed by another key or for another place, or was altered.
    #[must_use]
    pub fn open(&self, sealed: &SealedValue, place: &str) -> Option<Zeroizing<String>> {
        let bytes = self.sealer.open(&sealed.body, place.as_bytes())?;
        let text = std::str::from_utf8(&bytes).ok()?;
        Some(Zeroizing::new(text.to_owned()))
    }
}

impl fmt::Debug for ValueSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ValueSealer({}, ***)", self.key_id)
    }
}

impl SealedValue {
    /// Whether `text` says that it is sealed; whether it is whole is not looked at.
    #[must_use]
    pub fn is_marked(text: &str) -> bool {
        text.starts_with(MARK)
    }

    /// The [id](ValueSealer::key_id) of the key that opens it.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }
}

impl FromStr for SealedValue {
    type Err = InvalidSealedValue;

    fn from_str(text: &str) -> Result<Self, InvalidSealedValue> {
        let rest = text.strip_prefix(MARK).ok_or(InvalidSealedValue)?;
        let (key_id, body) = rest.split_once('$').ok_or(InvalidSealedValue)?;
        let is_id = key_id.len() == 2 * KEY_ID_BYTES
            && key_id
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
        let is_body = !body.is_empty() && body.bytes().all(is_base64);
        if text.len() > MAX_BYTES || !is_id || !is_body {
            return Err(InvalidSealedValue);
        }
        Ok(Self {
            key_id: key_id.to_owned(),
            body: body.to_owned(),
        })
    }
}

impl fmt::Display for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MARK}{}${}", self.key_id, self.body)
    }
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({})", self.key_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MATERIAL: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_sealed_value_reads_back_and_opens_at_its_place_alone() {
        let sealer = ValueSealer::new(MATERIAL).unwrap();
        let sealed = sealer.seal("hunter2", "a.b").unwrap();
        let read: SealedValue = sealed.to_string().parse().unwrap();
        assert_eq!(read, sealed);
        assert_eq!(*sealer.open(&read, "a.b").unwrap(), "hunter2");
        for place in ["", "a.c", "a.b ", "A.B"] {
            assert!(sealer.open(&read, place).is_none(), "{place}");
        }
        let shown = format!("{sealed} {sealed:?} {sealer:?}");
        assert!(!shown.contains("hunter2") && !shown.contains(MATERIAL));
    }

    /// Made by another implementation (pyca/cryptography): what stands in a configuration must open in each later version.
    #[test]
    fn what_was_sealed_once_opens_for_ever() {
        let sealer = ValueSealer::new(&format!(" {MATERIAL}\n")).unwrap();
        let sealed: SealedValue = SEALED_BEFORE.parse().unwrap();
        assert_eq!(sealer.key_id(), sealed.key_id());
        assert_eq!(*sealer.open(&sealed, "a.b").unwrap(), "hunter2");
    }

    const SEALED_BEFORE: &str = "$sealed$4d6d73b0$AQABAgMEBQYHCAkKC7970s5egbhDj95Wc8LyfI4BnpNU22wi";

    #[test]
    fn each_key_has_an_id_and_opens_what_it_has_sealed_alone() {
        let [one, other] = [MATERIAL, "another-key-of-at-least-32-bytes!"]
            .map(|material| ValueSealer::new(material).unwrap());
        assert_ne!(one.key_id(), other.key_id());
        let mut sealed = one.seal("hunter2", "a.b").unwrap();
        assert!(other.open(&sealed, "a.b").is_none());
        sealed.key_id = other.key_id().to_owned();
        assert!(other.open(&sealed, "a.b").is_none());
        assert!(ValueSealer::new("hunter2").is_err());
    }

    #[test]
    fn a_text_that_is_no_whole_sealed_value_is_refused() {
        let good = ValueSealer::new(MATERIAL).unwrap().seal("x", "p").unwrap();
        let good = good.to_string();
        assert!(good.parse::<SealedValue>().is_ok());
        for bad in [
            String::new(),
            "$sealed$".to_owned(),
            "$sealed$0123abcd".to_owned(),
            "$sealed$0123abcd$".to_owned(),
            "$sealed$0123ABCD$AQ".to_owned(),
            "$sealed$123$AQ".to_owned(),
            format!(" {good}"),
            format!("{good}="),
            format!("{good} "),
            format!("{{sealed}}{good}"),
            good.replace("$sealed$", "$sha256$"),
            format!("{good}{}", "A".repeat(MAX_BYTES)),
        ] {
            assert!(bad.parse::<SealedValue>().is_err(), "{bad}");
        }
    }
}
