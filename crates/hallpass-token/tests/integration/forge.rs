//! What an attacker can make, and what an issuer with a faulty encoder could: any header and any claims, signed.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass_token::{JwkSet, UnixTime, VerifiedClaims, VerifyError, VerifyPolicy, verify};
use serde_json::{Value, json};

/// The time of every forged token: `exp` is 600 seconds later.
pub(crate) const NOW: u64 = 1_700_000_000;
/// Issuer, subject and audience of the sound claims.
pub(crate) const CLAIMS: &str =
    r#"{"iss":"internal","sub":"order-service","aud":"logistics-service","exp":1700000600}"#;
/// The sound header.
pub(crate) const HEADER: &str = r#"{"typ":"at+jwt","alg":"EdDSA","kid":"forge"}"#;

/// A key that signs whatever it is given.
pub(crate) struct Forge(Ed25519KeyPair);

impl Forge {
    /// The issuer that the policy trusts.
    pub(crate) fn issuer() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap())
    }

    /// Somebody with a key of his own.
    pub(crate) fn stranger() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[8; 32]).unwrap())
    }

    /// A token of these texts, properly signed.
    pub(crate) fn token(&self, header: &str, claims: &str) -> String {
        self.token_of_bytes(header.as_bytes(), claims.as_bytes())
    }

    /// A token of these bytes, properly signed.
    pub(crate) fn token_of_bytes(&self, header: &[u8], claims: &[u8]) -> String {
        let signed = format!("{}.{}", encode(header), encode(claims));
        self.append_signature(&signed)
    }

    /// The text and its signature.
    pub(crate) fn append_signature(&self, signed: &str) -> String {
        format!(
            "{signed}.{}",
            encode(self.0.sign(signed.as_bytes()).as_ref())
        )
    }

    /// The public half under the name of the sound header.
    pub(crate) fn jwk(&self) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": "forge", "x": encode(self.0.public_key().as_ref())})
    }

    /// The set of this key alone.
    pub(crate) fn keys(&self) -> JwkSet {
        key_set(&[self.jwk()])
    }
}

/// A set of these keys.
pub(crate) fn key_set(keys: &[Value]) -> JwkSet {
    JwkSet::parse(json!({"keys": keys}).to_string().as_bytes()).unwrap()
}

/// What the sound tokens are verified against.
pub(crate) fn policy() -> VerifyPolicy {
    VerifyPolicy::new(
        "internal".parse().unwrap(),
        "logistics-service".parse().unwrap(),
    )
}

/// Verifies a token of the trusted issuer, now.
pub(crate) fn receive(token: &str) -> Result<VerifiedClaims, VerifyError> {
    verify(
        token,
        &Forge::issuer().keys(),
        &policy(),
        UnixTime::from_secs(NOW),
    )
}

/// The sound claims with one member replaced or added.
pub(crate) fn claims_with(name: &str, value: &Value) -> String {
    let mut claims: Value = serde_json::from_str(CLAIMS).unwrap();
    claims[name] = value.clone();
    claims.to_string()
}

/// Base64url without padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
