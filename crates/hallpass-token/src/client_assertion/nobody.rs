//! Keys that are nobody's, for work whose result is thrown away.

use serde_json::{Value, json};

use crate::algorithm::Algorithm;
use crate::base64url;
use crate::jwk::Jwk;

/// Bytes of the modulus: that of the usual key of a client.
const MODULUS_BYTES: usize = 256;

/// A public key for each algorithm. They are no secret of anybody (the points are the generators of their curves, the
/// modulus is any odd number), so that nothing that they verify may ever count.
#[derive(Debug, Clone)]
pub struct NobodysKeys(Vec<Jwk>);

impl NobodysKeys {
    /// Reads them; costs some microseconds.
    #[must_use]
    pub fn new() -> Self {
        Self(
            keys()
                .iter()
                .filter_map(|key| Jwk::from_value(key).ok())
                .collect(),
        )
    }

    pub(super) fn find(&self, algorithm: Algorithm) -> Option<&Jwk> {
        self.0.iter().find(|key| key.algorithm() == algorithm)
    }
}

impl Default for NobodysKeys {
    fn default() -> Self {
        Self::new()
    }
}

fn keys() -> [Value; 5] {
    let modulus = base64url::encode(&[0xA5; MODULUS_BYTES]);
    let rsa =
        |alg: Algorithm| json!({"kty": "RSA", "alg": alg.as_str(), "e": "AQAB", "n": modulus});
    [
        json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY",
            "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU",
        }),
        json!({
            "kty": "EC",
            "crv": "P-384",
            "x": "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3",
            "y": "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f",
        }),
        json!({"kty": "OKP", "crv": "Ed25519", "x": "WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY"}),
        rsa(Algorithm::Rs256),
        rsa(Algorithm::Ps256),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_for_each_algorithm_so_that_none_costs_nothing() {
        let keys = NobodysKeys::new();
        for algorithm in Algorithm::EVERY.into_iter().chain(Algorithm::VERIFY_ONLY) {
            assert!(keys.find(algorithm).is_some(), "{algorithm}");
        }
    }
}
