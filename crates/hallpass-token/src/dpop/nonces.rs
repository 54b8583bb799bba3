//! Nonces that a server gives and need not remember.

use std::fmt;
use std::time::Duration;

use aws_lc_rs::hmac;

use crate::base64url;
use crate::time::UnixTime;

/// How long one nonce is given out.
const TURN: Duration = Duration::from_secs(60);
/// Bytes of the code that stands in a nonce.
const CODE_BYTES: usize = 12;
const TURN_BYTES: usize = 4;

/// The nonces of one server (RFC 9449 sections 8 and 9): the minute, and a code of it that only who holds the key can make.
///
/// Nothing is remembered, so servers that hold the same key take each other's nonces. One counts in its minute and in the
/// next one, and in the one before for a server whose clock is behind: proofs cannot be made long before they are used.
pub struct DpopNonces {
    key: hmac::Key,
}

impl DpopNonces {
    /// Those of the servers that share `secret`. `purpose` keeps what is made of one secret for several ends apart.
    ///
    /// How random the secret is cannot be checked; 32 bytes are enough.
    #[must_use]
    pub fn new(secret: &[u8], purpose: &str) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let derived = hmac::sign(
            &root,
            format!("hallpass DPoP nonces v1: {purpose}").as_bytes(),
        );
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, derived.as_ref()),
        }
    }

    /// The nonce to give out now: 22 characters that stand in a header as they are.
    #[must_use]
    pub fn at(&self, now: UnixTime) -> String {
        self.of_turn(turn(now))
    }

    /// Whether `nonce` was given out lately.
    #[must_use]
    pub fn accepts(&self, nonce: &str, now: UnixTime) -> bool {
        let Ok(bytes) = base64url::decode_array::<{ TURN_BYTES + CODE_BYTES }>(nonce) else {
            return false;
        };
        let (number, code) = bytes.split_at(TURN_BYTES);
        let number = number
            .iter()
            .fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
        let is_near = turn(now).abs_diff(number) <= 1;
        // The code last and in constant time: what is compared is a secret until it is given out.
        is_near
            && aws_lc_rs::constant_time::verify_slices_are_equal(&self.code(number), code).is_ok()
    }

    fn of_turn(&self, turn: u32) -> String {
        let mut bytes = turn.to_be_bytes().to_vec();
        bytes.extend_from_slice(&self.code(turn));
        base64url::encode(&bytes)
    }

    fn code(&self, turn: u32) -> Vec<u8> {
        let tag = hmac::sign(&self.key, &turn.to_be_bytes());
        tag.as_ref().iter().take(CODE_BYTES).copied().collect()
    }
}

fn turn(now: UnixTime) -> u32 {
    u32::try_from(now.as_secs() / TURN.as_secs()).unwrap_or(u32::MAX)
}

impl fmt::Debug for DpopNonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopNonces").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{DpopNonces, TURN};
    use crate::time::UnixTime;

    const NOW: UnixTime = UnixTime::from_secs(1_700_000_000);

    #[test]
    fn a_nonce_counts_for_a_minute_or_two_and_no_longer() {
        let nonces = DpopNonces::new(b"secret", "test");
        let nonce = nonces.at(NOW);
        assert_eq!(nonce.len(), 22);
        assert!(nonces.accepts(&nonce, NOW));
        assert!(nonces.accepts(&nonce, NOW.saturating_add(TURN)));
        assert!(nonces.accepts(&nonce, NOW.saturating_sub(TURN)));
        assert!(!nonces.accepts(&nonce, NOW.saturating_add(2 * TURN)));
        assert!(!nonces.accepts(&nonce, NOW.saturating_sub(2 * TURN)));
        assert_ne!(nonces.at(NOW.saturating_add(TURN)), nonce);
    }

    #[test]
    fn servers_that_share_a_secret_take_each_others_nonces_and_others_do_not() {
        let nonce = DpopNonces::new(b"secret", "issuer").at(NOW);
        assert!(DpopNonces::new(b"secret", "issuer").accepts(&nonce, NOW));
        assert!(!DpopNonces::new(b"secret", "resource").accepts(&nonce, NOW));
        assert!(!DpopNonces::new(b"another", "issuer").accepts(&nonce, NOW));
    }

    #[test]
    fn nobody_makes_up_a_nonce_or_the_one_of_another_minute() {
        let nonces = DpopNonces::new(b"secret", "test");
        let nonce = nonces.at(NOW);
        let (turn, code) = nonce.split_at(6);
        let next = nonces.at(NOW.saturating_add(TURN));
        let (next_turn, _) = next.split_at(6);
        for made_up in [
            String::new(),
            "x".repeat(22),
            format!("{turn}{}", "A".repeat(16)),
            format!("{next_turn}{code}"),
            format!("{nonce}A"),
            format!("{nonce}=="),
        ] {
            assert!(!nonces.accepts(&made_up, NOW), "{made_up}");
        }
    }
}
