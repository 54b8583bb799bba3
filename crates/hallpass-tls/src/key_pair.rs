//! Certificate and private key, as they stand in two files.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use hallpass_clock::Clock;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::{InconsistentKeys, RootCertStore, time_provider::TimeProvider};

use crate::error::TlsError;
use crate::files::Contents;
use crate::metrics::Expiry;
use crate::pem;
use crate::settings::KeyPairSettings;
use crate::validity::{Validity, not_after};

/// Certificates and key of one pair of files.
pub(crate) struct KeyPair {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    /// When the first of the chain ends.
    pub(crate) ends: Option<SystemTime>,
    /// From when to when the own certificate is valid. An authority beside it that has ended makes it no worse: peers may know
    /// another way to one that they trust.
    pub(crate) validity: Option<Validity>,
}

impl KeyPair {
    /// Whether the two belong together is found out by the library.
    pub(crate) fn read(settings: &KeyPairSettings, files: &Contents) -> Result<Self, TlsError> {
        let path = &settings.certificate_file;
        let chain = pem::certificates(path, files.of(path)?)?;
        let path = &settings.private_key_file;
        let key = pem::private_key(path, files.of(path)?)?;
        let ends = chain.iter().filter_map(not_after).min();
        let validity = chain.first().and_then(Validity::of);
        Ok(Self {
            chain,
            key,
            ends,
            validity,
        })
    }
}

/// What the library says of a pair that it does not take.
pub(crate) fn refused(settings: &KeyPairSettings, error: &rustls::Error) -> TlsError {
    match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => TlsError::Mismatch {
            certificate: settings.certificate_file.clone(),
            private_key: settings.private_key_file.clone(),
        },
        error => TlsError::Refused {
            path: settings.certificate_file.clone(),
            problem: error.to_string(),
        },
    }
}

/// Adds the authorities in a file to `roots`, and says when they end.
///
/// The moment is the next end of one that has not ended yet: a bundle may keep an old authority beside the new one.
pub(crate) fn add_authorities(
    roots: &mut RootCertStore,
    path: &Path,
    files: &Contents,
    used_for: &'static str,
    now: SystemTime,
) -> Result<Option<Expiry>, TlsError> {
    let found = pem::certificates(path, files.of(path)?)?;
    pem::add_authorities(roots, path, &found)?;
    let ends: Vec<_> = found.iter().filter_map(not_after).collect();
    let next = ends.iter().filter(|at| **at >= now).min();
    let at = next.or(ends.iter().max()).copied();
    Ok(at.map(|at| Expiry { used_for, at }))
}

/// What both directions give to the library: the one provider, and the time by which it judges peers' certificates.
pub(crate) fn provider_and_time(
    clock: &Arc<dyn Clock>,
) -> (Arc<CryptoProvider>, Arc<dyn TimeProvider>) {
    let provider = Arc::new(aws_lc_rs::default_provider());
    (provider, Arc::new(ClockTime(Arc::clone(clock))))
}

#[derive(Debug)]
struct ClockTime(Arc<dyn Clock>);

impl TimeProvider for ClockTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since = self.0.now().duration_since(SystemTime::UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// What the library says of its own defaults.
pub(crate) fn library(error: &impl ToString) -> TlsError {
    TlsError::Library {
        problem: error.to_string(),
    }
}
