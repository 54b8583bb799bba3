//! The private key of an authority.

use std::fmt;

use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm, SigningKey};
use zeroize::Zeroizing;

/// ECDSA on P-256; wiped when it is dropped.
pub(crate) struct CaKey(Zeroizing<KeyPair>);

impl CaKey {
    /// A new one; `None` when the machine cannot make one.
    pub(super) fn generate() -> Option<Self> {
        let made = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).ok()?;
        Some(Self(Zeroizing::new(made)))
    }

    /// The one that [`to_pkcs8`](Self::to_pkcs8) has written; `None` for anything else.
    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Option<Self> {
        let read = Zeroizing::new(KeyPair::try_from(pkcs8).ok()?);
        read.is_compatible(&PKCS_ECDSA_P256_SHA256)
            .then_some(Self(read))
    }

    pub(super) fn to_pkcs8(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(self.0.serialize_der())
    }
}

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for CaKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}

impl fmt::Debug for CaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CaKey")
    }
}
