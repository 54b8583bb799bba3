//! Which headers of a request may bear a secret.

use http::HeaderMap;
use http::header::HeaderName;

/// Whoever marked the request: what these headers are for is secret.
pub(super) fn has_credentials(headers: &HeaderMap) -> bool {
    headers
        .iter()
        .any(|(name, value)| value.is_sensitive() || is_for_a_secret(name))
}

/// Parts of names. Each stands for many products' headers; what is refused by mistake is told, what leaves by mistake is not.
const SECRET_PARTS: [&str; 13] = [
    "authenti",
    "authoriz",
    "apikey",
    "assertion",
    "bearer",
    "cookie",
    "credential",
    "jwt",
    "passphrase",
    "passw",
    "secret",
    "session",
    "token",
];
/// Whole words of names.
const SECRET_WORDS: [&str; 10] = [
    "auth",
    "key",
    "keys",
    "otp",
    "pin",
    "pwd",
    "sid",
    "sig",
    "signature",
    "totp",
];

/// Whether a header of this name may bear a credential, by its name.
#[must_use]
pub fn is_for_a_secret(name: &HeaderName) -> bool {
    let name = name.as_str();
    let is_word = |word: &str| SECRET_WORDS.contains(&word);
    // Servers behind may read any of them as a hyphen.
    let is_sign = |sign: char| !sign.is_ascii_alphanumeric();
    name != "idempotency-key"
        && (SECRET_PARTS.iter().any(|part| name.contains(part)) || name.split(is_sign).any(is_word))
}
