//! SPIFFE ids (SPIFFE-ID section 2), which are compared as texts: so they must have one form.

use std::fmt;
use std::str::FromStr;

/// The id of a workload, in its one form: `spiffe://prod.example/ns/shop/sa/orders`.
///
/// ```
/// use hallpass_tls::SpiffeId;
///
/// let id: SpiffeId = "spiffe://prod.example/ns/shop/sa/orders".parse()?;
/// assert_eq!(id.trust_domain(), "prod.example");
/// # Ok::<(), hallpass_tls::InvalidSpiffeId>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SpiffeId(Box<str>);

/// The text is no SPIFFE id, or not in its one form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "is not a SPIFFE id, such as `spiffe://prod.example/ns/shop/sa/orders`: lower case domain, no port, nothing encoded, no slash at the end"
)]
pub struct InvalidSpiffeId;

impl SpiffeId {
    /// The whole of it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Who vouches for it, without the scheme: `prod.example`.
    #[must_use]
    pub fn trust_domain(&self) -> &str {
        let domain = spiffe_trust_domain(&self.0).unwrap_or_default();
        domain.strip_prefix(SCHEME).unwrap_or_default()
    }
}

impl FromStr for SpiffeId {
    type Err = InvalidSpiffeId;

    fn from_str(text: &str) -> Result<Self, InvalidSpiffeId> {
        let is_one = spiffe_trust_domain(text).is_some();
        is_one.then(|| Self(text.into())).ok_or(InvalidSpiffeId)
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const SCHEME: &str = "spiffe://";

/// The trust domain of an id, as an issuer of JWT-SVIDs is called: `spiffe://prod.example`. `None` for what is no id in its one form: the
/// domain in lower case, a path without empty, `.` or `..` segments and without a slash at its end, nothing encoded, no port, query,
/// fragment or user.
#[must_use]
pub fn spiffe_trust_domain(id: &str) -> Option<&str> {
    const MAX_BYTES: usize = 2048;
    let rest = id.strip_prefix(SCHEME).filter(|_| id.len() <= MAX_BYTES)?;
    let (domain, path) = match rest.split_once('/') {
        Some((domain, path)) => (domain, Some(path)),
        None => (rest, None),
    };
    let is_of_domain =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-_".contains(&byte);
    let is_of_path = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
    let is_segment =
        |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_of_path);
    let is_id = !domain.is_empty()
        && domain.len() <= 255
        && domain.bytes().all(is_of_domain)
        && path.is_none_or(|path| path.split('/').all(is_segment));
    is_id
        .then(|| id.get(..SCHEME.len() + domain.len()))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_form() {
        for (id, domain) in [
            (
                "spiffe://prod.example/ns/shop/sa/orders",
                "spiffe://prod.example",
            ),
            ("spiffe://prod.example", "spiffe://prod.example"),
            ("spiffe://a_b-1/X.y-Z_", "spiffe://a_b-1"),
        ] {
            assert_eq!(spiffe_trust_domain(id), Some(domain), "{id}");
        }
        for other in [
            "",
            "spiffe://",
            "spiffe:///a",
            "SPIFFE://prod.example/a",
            "spiffe://Prod.example/a",
            "spiffe://prod.example/",
            "spiffe://prod.example/a/",
            "spiffe://prod.example//a",
            "spiffe://prod.example/a/../b",
            "spiffe://prod.example/./a",
            "spiffe://prod.example/a%2Fb",
            "spiffe://prod.example:443/a",
            "spiffe://u@prod.example/a",
            "spiffe://prod.example/a?b",
            "spiffe://prod.example/a#b",
            "spiffe://prod.example/é",
            "spiffe://prod.example\u{0}/a",
            "https://prod.example/a",
            &format!("spiffe://prod.example/{}", "a".repeat(2_048)),
            &format!("spiffe://{}/a", "a".repeat(256)),
        ] {
            assert_eq!(spiffe_trust_domain(other), None, "{other}");
        }
    }
}
