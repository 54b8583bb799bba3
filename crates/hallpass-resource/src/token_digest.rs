//! A token by its digest, for what must not keep the token itself.

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of a token. Nobody makes a second token with the same one, and nobody reads the token from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct TokenDigest([u8; 32]);

impl TokenDigest {
    pub(crate) fn of(token: &str) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        Self(bytes)
    }
}
