//! Whom outgoing connections trust, and what they show.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hallpass_clock::Clock;
use rustls::{ClientConfig, RootCertStore};

use crate::error::TlsError;
use crate::files::Contents;
use crate::followed::{Built, Followed, Source, offer};
use crate::key_pair::{KeyPair, add_authorities, library, provider_and_time, refused};
use crate::metrics::{Expiry, TlsMetrics};
use crate::settings::ClientTlsSettings;

const CLIENT: &str = "client";
const SERVER_AUTHORITY: &str = "server_authority";

/// TLS 1.2 and 1.3 for outgoing connections that speak HTTP/1.1, by the files of [`ClientTlsSettings`]. Cheap to clone;
/// clones share everything.
///
/// The files are looked at every 5 seconds from the first [`config`](Self::config) in a tokio runtime on; what cannot be
/// used changes nothing, is logged as an error, and is counted.
///
/// Where the operating system has no authorities (a bare container) and no file names one, nobody is trusted, which a
/// warning says: plain http to loopback still works.
///
/// **What it does not check**: revocation.
#[derive(Clone)]
pub struct ClientTls {
    followed: Arc<Followed<ClientFiles>>,
}

/// What users write, and what an agent fetches beside it.
#[derive(Clone, Debug, PartialEq)]
struct ClientFiles {
    settings: ClientTlsSettings,
    /// The authorities of the estate.
    bundle_file: Option<PathBuf>,
}

impl ClientTls {
    /// For a connection that begins now. It is another value, and not only an equal one, once something has
    /// changed: who keeps connections must not use those that were made with another.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        self.followed.current()
    }

    /// Trusts the authorities in `bundle_file` as well, which changes and is followed like the other files:
    /// [`IssuedFiles::ca_file`](crate::IssuedFiles::ca_file). Other settings leave it as it is. Blocks the thread for as long as files are read.
    ///
    /// # Errors
    /// As [`load`](Self::load); then nothing has changed.
    pub fn trust_bundle(&self, bundle_file: &Path) -> Result<(), TlsError> {
        self.followed.apply(&ClientFiles {
            bundle_file: Some(bundle_file.to_owned()),
            ..self.followed.source()
        })
    }
}

offer!(ClientTls, ClientTlsSettings);

impl Source for ClientFiles {
    type Config = ClientConfig;
    const USED_FOR: &'static str = CLIENT;
    const ALL_USES: &'static [&'static str] = &[CLIENT, SERVER_AUTHORITY];
    type Settings = ClientTlsSettings;

    fn of(settings: &ClientTlsSettings) -> Self {
        Self {
            settings: settings.clone(),
            bundle_file: None,
        }
    }

    fn with(&self, settings: &ClientTlsSettings) -> Self {
        Self {
            settings: settings.clone(),
            bundle_file: self.bundle_file.clone(),
        }
    }

    fn files(&self) -> Vec<&Path> {
        let pair = self.settings.key_pair.as_ref();
        let pair = pair.map(|pair| [&pair.certificate_file, &pair.private_key_file]);
        let all = pair.into_iter().flatten().chain(self.authorities());
        all.map(AsRef::as_ref).collect()
    }

    fn build(
        &self,
        files: &Contents,
        clock: &Arc<dyn Clock>,
    ) -> Result<Built<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        let mut next = None;
        for path in self.authorities() {
            let expiry = add_authorities(&mut roots, path, files, SERVER_AUTHORITY, clock.now())?;
            next = Expiry::sooner(next, expiry);
        }
        if self.settings.system_roots {
            add_system_roots(&mut roots);
        }
        let (provider, time) = provider_and_time(clock);
        let builder = ClientConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()
            .map_err(|error| library(&error))?
            .with_root_certificates(roots);
        let Some(settings) = &self.settings.key_pair else {
            return Ok(Built::new(builder.with_no_client_auth(), next));
        };
        let pair = KeyPair::read(settings, files)?;
        let config = builder
            .with_client_auth_cert(pair.chain, pair.key)
            .map_err(|error| refused(settings, &error))?;
        let built = Built::new(config, next);
        Ok(built.with_own(
            CLIENT,
            &settings.certificate_file,
            (pair.ends, pair.validity),
        ))
    }
}

impl ClientFiles {
    /// The files of authorities, each once.
    fn authorities(&self) -> impl Iterator<Item = &PathBuf> {
        let bundle = self.bundle_file.as_ref();
        let bundle = bundle.filter(|file| self.settings.ca_file.as_ref() != Some(*file));
        self.settings.ca_file.iter().chain(bundle)
    }
}

/// What the operating system trusts; a single certificate that cannot be used is left out, as every program does.
fn add_system_roots(roots: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a root certificate of this system cannot be read");
    }
    let (added, _left_out) = roots.add_parsable_certificates(found.certs);
    if added == 0 && roots.is_empty() {
        tracing::warn!("no root certificates on this system: https calls will be refused");
    }
}

#[cfg(test)]
mod tests;
