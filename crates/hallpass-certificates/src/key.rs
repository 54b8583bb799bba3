//! A key, and the request for a certificate that it has signed.

use rcgen::{CertificateParams, KeyPair};
use zeroize::Zeroizing;

use crate::error::CertificateError;

/// A new key of P-256.
pub(crate) struct NewKey {
    /// PKCS #8, in PEM.
    pub(crate) pem: Zeroizing<String>,
    /// PKCS #10, in PEM. It wishes for no name: those come of the registration.
    pub(crate) request: String,
    /// As the certificate has it: an uncompressed point.
    pub(crate) public: Vec<u8>,
}

impl NewKey {
    pub(crate) fn make() -> Result<Self, CertificateError> {
        let failed = |_| CertificateError::Key;
        let key = Zeroizing::new(KeyPair::generate().map_err(failed)?);
        let params = CertificateParams::new([]).map_err(failed)?;
        let request = params.serialize_request(&*key).map_err(failed)?;
        Ok(Self {
            pem: Zeroizing::new(key.serialize_pem()),
            request: request.pem().map_err(failed)?,
            public: key.public_key_raw().to_vec(),
        })
    }
}
