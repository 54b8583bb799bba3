//! From the text of a file to certificates and keys.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::error::TlsError;

const NO_CERTIFICATE: &str = "holds no certificate; write PEM (`-----BEGIN CERTIFICATE-----`), the own certificate first, then those of \
     the authorities between it and the root";
const BROKEN: &str = "is not whole PEM text: a section has no end, or is not base64";
const NO_KEY: &str = "holds no private key; write PEM with `PRIVATE KEY` (PKCS#8), `RSA PRIVATE KEY` or `EC PRIVATE KEY`";
const ENCRYPTED_KEY: &str = "holds an encrypted private key, for which there is no password here; decrypt it with \
     `openssl pkey` and protect the file by its permissions";
const KEYSTORE: &str =
    "is a keystore (PKCS#12 or JKS), not PEM; convert it: `openssl pkcs12 -in FILE -nodes`";

/// The certificates in `text`, at least one, in their order.
///
/// # Errors
/// [`TlsError::Content`].
pub(crate) fn certificates(
    path: &Path,
    text: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(found) if found.is_empty() => Err(content(path, or_keystore(text, NO_CERTIFICATE))),
        Ok(found) => Ok(found),
        Err(_) => Err(content(path, BROKEN)),
    }
}

/// The first private key in `text`.
///
/// # Errors
/// [`TlsError::Content`].
pub(crate) fn private_key(path: &Path, text: &[u8]) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        let problem = match error {
            pem::Error::NoItemsFound if is_encrypted(text) => ENCRYPTED_KEY,
            pem::Error::NoItemsFound => or_keystore(text, NO_KEY),
            // Its text may quote the file.
            _ => BROKEN,
        };
        content(path, problem)
    })
}

/// Adds the certificates in `text` to what `roots` trusts.
///
/// # Errors
/// [`TlsError::Content`] without one, [`TlsError::Refused`] when one cannot be an authority.
pub(crate) fn add_authorities(
    roots: &mut RootCertStore,
    path: &Path,
    certificates: &[CertificateDer<'static>],
) -> Result<(), TlsError> {
    for certificate in certificates {
        roots
            .add(certificate.clone())
            .map_err(|error| TlsError::Refused {
                path: path.to_owned(),
                problem: error.to_string(),
            })?;
    }
    Ok(())
}

fn content(path: &Path, problem: &'static str) -> TlsError {
    TlsError::Content {
        path: path.to_owned(),
        problem,
    }
}

fn is_encrypted(text: &[u8]) -> bool {
    let label = b"-----BEGIN ENCRYPTED PRIVATE KEY-----";
    text.windows(label.len()).any(|window| window == label)
}

/// What a Spring estate has in place of PEM: a keystore begins with the tag of a DER sequence, or with JKS's mark.
fn or_keystore(text: &[u8], otherwise: &'static str) -> &'static str {
    let is_keystore = text.starts_with(&[0x30]) || text.starts_with(&[0xfe, 0xed, 0xfe, 0xed]);
    if is_keystore { KEYSTORE } else { otherwise }
}
