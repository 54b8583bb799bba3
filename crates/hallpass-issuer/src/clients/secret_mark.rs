//! What a secret is called where its use is noted.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

const BYTES: usize = 8;
const CONTEXT: &[u8] = b"hallpass secret mark v1";

/// What a secret is called where its use is noted: some bits of a digest of what is kept of it. Neither the secret nor its digest follows from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct SecretMark([u8; BYTES]);

impl SecretMark {
    /// Of a secret of which `kept` is stored.
    pub(crate) fn of_kept(kept: &[u8]) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(CONTEXT);
        context.update(kept);
        let mut bytes = [0; BYTES];
        for (byte, of_digest) in bytes.iter_mut().zip(context.finish().as_ref()) {
            *byte = *of_digest;
        }
        Self(bytes)
    }
}

impl fmt::Display for SecretMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SecretMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretMark({self})")
    }
}

impl FromStr for SecretMark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text.len() != 2 * BYTES || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(());
        }
        let number = u64::from_str_radix(text, 16).map_err(|_| ())?;
        Ok(Self(number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_and_each_secret_has_its_own() {
        let mark = SecretMark::of_kept(b"one");
        assert_eq!(mark.to_string().parse(), Ok(mark));
        assert_ne!(mark, SecretMark::of_kept(b"another"));
        assert_eq!("".parse::<SecretMark>(), Err(()));
    }
}
