//! What files of certificates hold, for programs that look at them and use nothing of them.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use hallpass_clock::{Clock, SystemClock};
use rustls::{ClientConfig, RootCertStore};

use crate::error::TlsError;
use crate::files::Contents;
use crate::key_pair::{KeyPair, library, provider_and_time, refused};
use crate::pem;
use crate::settings::KeyPairSettings;
use crate::validity::Validity;

/// From when to when a certificate is good, both inclusive (RFC 5280 section 4.1.2.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateSpan {
    /// `notBefore`.
    pub begins: SystemTime,
    /// `notAfter`.
    pub ends: SystemTime,
}

/// Reads a certificate and its private key, and says from when to when the certificate is good; `None` when it does not say so where
/// RFC 5280 wants it. Blocks the thread.
///
/// **Not checked**: that it is good now, its names, who has signed it.
///
/// # Errors
/// [`TlsError`] when a file cannot be read or is not what it should be, and when the key is not that of the certificate.
pub fn examine_key_pair(pair: &KeyPairSettings) -> Result<Option<CertificateSpan>, TlsError> {
    let files = [&pair.certificate_file, &pair.private_key_file].map(AsRef::as_ref);
    let read = KeyPair::read(pair, &Contents::read(files))?;
    let span = read.validity.map(CertificateSpan::from);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (provider, time) = provider_and_time(&clock);
    // Whether the two belong together is found out by the library.
    ClientConfig::builder_with_details(provider, time)
        .with_safe_default_protocol_versions()
        .map_err(|error| library(&error))?
        .with_root_certificates(RootCertStore::empty())
        .with_client_auth_cert(read.chain, read.key)
        .map_err(|error| refused(pair, &error))?;
    Ok(span)
}

/// Reads a file of authorities, and says of each from when to when it is good. Those that do not say it where RFC 5280 wants it are
/// left out. Blocks the thread.
///
/// # Errors
/// [`TlsError`] when the file cannot be read, holds no certificate, or one that cannot be an authority.
pub fn examine_authorities(file: &Path) -> Result<Vec<CertificateSpan>, TlsError> {
    let contents = Contents::read([file]);
    let found = pem::certificates(file, contents.of(file)?)?;
    pem::add_authorities(&mut RootCertStore::empty(), file, &found)?;
    let spans = found.iter().filter_map(Validity::of);
    Ok(spans.map(CertificateSpan::from).collect())
}

impl From<Validity> for CertificateSpan {
    fn from(validity: Validity) -> Self {
        Self {
            begins: validity.begins,
            ends: validity.ends,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::test_authority::TestAuthority;

    #[test]
    fn a_pair_says_when_it_ends_and_one_of_two_halves_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new("Test CA");
        let end = SystemTime::UNIX_EPOCH + Duration::from_secs(1_900_000_000);
        let one = authority
            .certificate_until(&["one"], end)
            .write(folder.path(), "one");
        let other = authority
            .certificate(&["other"])
            .write(folder.path(), "other");
        assert_eq!(examine_key_pair(&one).unwrap().unwrap().ends, end);
        let mixed = KeyPairSettings {
            private_key_file: other.private_key_file,
            ..one
        };
        let error = examine_key_pair(&mixed).unwrap_err();
        assert!(matches!(error, TlsError::Mismatch { .. }), "{error}");
    }

    #[test]
    fn authorities_are_read_each_and_a_file_without_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.crt");
        let bundle = ["One", "Two"].map(|name| TestAuthority::new(name).pem().to_owned());
        std::fs::write(&file, bundle.concat()).unwrap();
        assert_eq!(examine_authorities(&file).unwrap().len(), 2);
        std::fs::write(&file, "").unwrap();
        let error = examine_authorities(&file).unwrap_err();
        assert!(matches!(error, TlsError::Content { .. }), "{error}");
        let error = examine_authorities(&folder.path().join("absent")).unwrap_err();
        assert!(matches!(error, TlsError::File { .. }), "{error}");
    }
}
