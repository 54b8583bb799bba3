//! What keys and channels are called.

use aws_lc_rs::digest::{SHA256, digest};
use hallpass_client::TokenKey;

/// Bytes of the hash in a key: 128 bits, so that no two keys of an estate ever meet.
const HASH_BYTES: usize = 16;

/// Makes names below one prefix.
#[derive(Clone, Debug)]
pub(crate) struct RedisKeys {
    prefix: String,
}

impl RedisKeys {
    pub(crate) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.to_owned(),
        }
    }

    /// Where the token of `key` is. Client and audience are there for people; the hash tells keys apart.
    pub(crate) fn token(&self, key: &TokenKey) -> String {
        self.named("", key)
    }

    /// Where the lease of `key` is.
    pub(crate) fn lease(&self, key: &TokenKey) -> String {
        self.named("lease:", key)
    }

    /// Where it stands that the message of this digest was shown.
    pub(crate) fn used(&self, digest: &[u8]) -> String {
        format!("{}used:{}", self.prefix, hexadecimal(digest))
    }

    /// Where it stands how much of the quota of this digest is used.
    pub(crate) fn rate(&self, digest: &[u8]) -> String {
        format!("{}rate:{}", self.prefix, hexadecimal(digest))
    }

    /// A channel.
    pub(crate) fn channel(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    fn named(&self, what: &str, key: &TokenKey) -> String {
        let (client, audience) = (key.client(), key.audience());
        let hash = digest(&SHA256, &key.to_bytes());
        let hash = hexadecimal(hash.as_ref());
        format!("{}{what}{client}:{audience}:{hash}", self.prefix)
    }
}

/// As many bytes of a hash as a key has.
fn hexadecimal(hash: &[u8]) -> String {
    let bytes = hash.iter().take(HASH_BYTES);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(scope: &str) -> TokenKey {
        let (client, audience) = (
            "order-service".parse().unwrap(),
            "service-system".parse().unwrap(),
        );
        TokenKey::new("issuer", client, audience, scope.parse().unwrap())
    }

    #[test]
    fn a_name_shows_client_and_audience_and_differs_in_all_else() {
        let keys = RedisKeys::new("p:");
        let (one, other) = (keys.token(&key("a")), keys.token(&key("b")));
        assert!(one.starts_with("p:order-service:service-system:"), "{one}");
        assert_eq!(one.len(), "p:order-service:service-system:".len() + 32);
        assert_ne!(one, other);
        assert_eq!(keys.lease(&key("a")), one.replace("p:", "p:lease:"));
        assert_eq!(keys.channel("evictions"), "p:evictions");
        let used = keys.used(&[0xab; 32]);
        assert_eq!(used, format!("p:used:{}", "ab".repeat(16)));
    }
}
