//! The certificate that a caller has shown to Envoy, as Envoy writes it.

use hallpass_tls::UnverifiedPeerCertificates;
use percent_encoding::percent_decode_str;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use crate::authz::question::Fault;

/// The certificate of `source`; `None` where the caller has shown none.
///
/// Nothing is believed of it but that the caller has its private key: Envoy has seen the handshake. Who has signed it does not matter to a
/// token that is bound to it (RFC 8705 section 3).
pub(super) fn read(text: &str) -> Result<Option<UnverifiedPeerCertificates>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let pem: Vec<u8> = percent_decode_str(text).collect();
    let own = CertificateDer::from_pem_slice(&pem)
        .map_err(|_| Fault::Unreadable("source.certificate"))?;
    Ok(UnverifiedPeerCertificates::new(Some(&[own.into_owned()])))
}
