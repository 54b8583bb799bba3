//! Refresh tokens (RFC 6749 section 6): what one is, and what stands behind it.
//!
//! All tokens that follow one another from one first token are a [`family`]: it has one end and one row in the store, and it is
//! taken back as a whole.

pub(crate) mod family;
pub(crate) mod token;
