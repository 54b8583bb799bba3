//! Which state of a client's registration somebody has seen.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

const BYTES: usize = 16;

/// One state of the registration of a client of the store: a digest of all that is registered, its secrets' digests included. Two states that
/// differ in anything have two revisions, so a change that names the one it was made for is refused once somebody else has changed the client.
///
/// `Display` writes 32 hexadecimal digits and `FromStr` reads them. It reveals nothing of what it was made of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision([u8; BYTES]);

/// The text is not 32 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a revision as `hallpass client show` prints it: 32 hexadecimal digits")]
pub struct InvalidRevision;

impl Revision {
    /// The revision of a row whose every column is in `content`.
    pub(crate) fn of(content: &str) -> Self {
        let digest = digest::digest(&digest::SHA256, content.as_bytes());
        let mut bytes = [0; BYTES];
        for (byte, of_digest) in bytes.iter_mut().zip(digest.as_ref()) {
            *byte = *of_digest;
        }
        Self(bytes)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({self})")
    }
}

impl FromStr for Revision {
    type Err = InvalidRevision;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hexadecimal = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if text.len() != 2 * BYTES || !is_hexadecimal {
            return Err(InvalidRevision);
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| InvalidRevision)?;
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_reads_back_and_differs_with_what_it_is_of() {
        let one = Revision::of("one");
        assert_eq!(one.to_string().parse(), Ok(one));
        assert_eq!(one.to_string().to_uppercase().parse(), Ok(one));
        assert_ne!(one, Revision::of("another"));
        for bad in ["", "0", "+0000000000000000000000000000000", &"g".repeat(32)] {
            assert_eq!(bad.parse::<Revision>(), Err(InvalidRevision), "{bad}");
        }
    }
}
