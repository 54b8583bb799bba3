//! Whom outgoing connections trust, and what they show.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hallpass_clock::Clock;
use rustls::crypto::aws_lc_rs;
use rustls::{ClientConfig, RootCertStore};

use crate::error::TlsError;
use crate::files::Contents;
use crate::followed::{Built, Followed, Source};
use crate::key_pair::{ClockTime, KeyPair, add_authorities, library, refused};
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
/// **What it does not check**: revocation.
#[derive(Clone)]
pub struct ClientTls {
    followed: Arc<Followed<ClientTlsSettings>>,
}

impl ClientTls {
    /// Reads the files; blocks the thread. Their expiry is shown among `metrics`.
    ///
    /// Where the operating system has no authorities (a bare container) and no file names one, nobody is trusted, which a
    /// warning says: plain http to loopback still works.
    ///
    /// # Errors
    /// [`TlsError`] when a file cannot be used. An expired certificate is an error line in the log only.
    pub fn load(
        settings: &ClientTlsSettings,
        clock: Arc<dyn Clock>,
        metrics: &TlsMetrics,
    ) -> Result<Self, TlsError> {
        let followed = Followed::load(settings.clone(), clock, metrics.clone())?;
        Ok(Self {
            followed: Arc::new(followed),
        })
    }

    /// For a connection that begins now. It is another value, and not only an equal one, once something has changed: who
    /// keeps connections must not use those that were made with another.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        self.followed.current()
    }

    /// Looks at the files at once. Blocks the thread for as long as they are read.
    pub fn look(&self) {
        self.followed.look();
    }

    /// Takes other settings for new connections. Blocks the thread for as long as files are read.
    ///
    /// # Errors
    /// As [`load`](Self::load); then nothing has changed.
    pub fn apply(&self, settings: &ClientTlsSettings) -> Result<(), TlsError> {
        self.followed.apply(settings)
    }

    /// Whether [`apply`](Self::apply) would take them now.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn check(&self, settings: &ClientTlsSettings) -> Result<(), TlsError> {
        self.followed.check(settings)
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").finish_non_exhaustive()
    }
}

impl Source for ClientTlsSettings {
    type Config = ClientConfig;
    const USED_FOR: &'static str = CLIENT;
    const ALL_USES: &'static [&'static str] = &[CLIENT, SERVER_AUTHORITY];

    fn files(&self) -> Vec<&Path> {
        let pair = self.key_pair.as_ref();
        let pair = pair.map(|pair| [&pair.certificate_file, &pair.private_key_file]);
        let all = pair.into_iter().flatten().chain(&self.ca_file);
        all.map(AsRef::as_ref).collect()
    }

    fn build(
        &self,
        files: &Contents,
        clock: &Arc<dyn Clock>,
    ) -> Result<Built<ClientConfig>, TlsError> {
        let mut roots = RootCertStore::empty();
        let mut expiries = Vec::new();
        if let Some(path) = &self.ca_file {
            let now = clock.now();
            expiries.extend(add_authorities(
                &mut roots,
                path,
                files,
                SERVER_AUTHORITY,
                now,
            )?);
        }
        if self.system_roots {
            add_system_roots(&mut roots);
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let time = Arc::new(ClockTime(Arc::clone(clock)));
        let builder = ClientConfig::builder_with_details(provider, time);
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| library(&error))?;
        let builder = builder.with_root_certificates(roots);
        let Some(settings) = &self.key_pair else {
            return Ok(Built {
                config: builder.with_no_client_auth(),
                expiries,
                own: None,
            });
        };
        let pair = KeyPair::read(settings, files)?;
        let config = builder
            .with_client_auth_cert(pair.chain, pair.key)
            .map_err(|error| refused(settings, &error))?;
        expiries.extend(pair.ends.map(|at| Expiry {
            used_for: CLIENT,
            at,
        }));
        Ok(Built {
            config,
            expiries,
            own: pair.ends.map(|at| (settings.certificate_file.clone(), at)),
        })
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
