//! What a listener shows and demands.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hallpass_clock::Clock;
use rustls::crypto::aws_lc_rs;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::error::TlsError;
use crate::files::Contents;
use crate::followed::{Built, Followed, Source};
use crate::key_pair::{ClockTime, KeyPair, add_authorities, library, refused};
use crate::metrics::{Expiry, TlsMetrics};
use crate::settings::{ClientAuth, ServerTlsSettings};

const SERVER: &str = "server";
const CLIENT_AUTHORITY: &str = "client_authority";

/// TLS 1.2 and 1.3 for a listener that speaks HTTP/1.1, by the files of [`ServerTlsSettings`]. Cheap to clone; clones share
/// everything.
///
/// The files are looked at every 5 seconds from the first [`config`](Self::config) in a tokio runtime on. What has changed
/// is used for new connections; open ones go on. What cannot be used (half written, a key that belongs to another
/// certificate, expired while the one in use is valid) changes nothing, is logged as an error, and is counted.
///
/// With client authentication a session is never resumed, so that each connection shows that the certificate is still valid.
///
/// **What it does not check**: revocation, and names in clients' certificates; who may do what is decided by tokens.
#[derive(Clone)]
pub struct ServerTls {
    followed: Arc<Followed<ServerTlsSettings>>,
}

impl ServerTls {
    /// Reads the files; blocks the thread. Their expiry is shown among `metrics`.
    ///
    /// # Errors
    /// [`TlsError`] when one of them cannot be used. An expired certificate is an error line in the log only.
    pub fn load(
        settings: &ServerTlsSettings,
        clock: Arc<dyn Clock>,
        metrics: &TlsMetrics,
    ) -> Result<Self, TlsError> {
        let followed = Followed::load(settings.clone(), clock, metrics.clone())?;
        Ok(Self {
            followed: Arc::new(followed),
        })
    }

    /// For a connection that begins now.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
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
    pub fn apply(&self, settings: &ServerTlsSettings) -> Result<(), TlsError> {
        self.followed.apply(settings)
    }

    /// Whether [`apply`](Self::apply) would take them now.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn check(&self, settings: &ServerTlsSettings) -> Result<(), TlsError> {
        self.followed.check(settings)
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").finish_non_exhaustive()
    }
}

impl Source for ServerTlsSettings {
    type Config = ServerConfig;
    const USED_FOR: &'static str = SERVER;
    const ALL_USES: &'static [&'static str] = &[SERVER, CLIENT_AUTHORITY];

    fn files(&self) -> Vec<&Path> {
        let pair = &self.key_pair;
        let pair = [&pair.certificate_file, &pair.private_key_file];
        let all = pair.into_iter().chain(self.client_auth.ca_file());
        all.map(AsRef::as_ref).collect()
    }

    fn build(
        &self,
        files: &Contents,
        clock: &Arc<dyn Clock>,
    ) -> Result<Built<ServerConfig>, TlsError> {
        let pair = KeyPair::read(&self.key_pair, files)?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let time = Arc::new(ClockTime(Arc::clone(clock)));
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), time);
        let builder = builder
            .with_safe_default_protocol_versions()
            .map_err(|error| library(&error))?;
        let mut expiries = Vec::new();
        let builder = match self.client_auth.ca_file() {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                let now = clock.now();
                expiries.extend(add_authorities(
                    &mut roots,
                    path,
                    files,
                    CLIENT_AUTHORITY,
                    now,
                )?);
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier = match self.client_auth {
                    ClientAuth::Need { .. } => verifier,
                    ClientAuth::None | ClientAuth::Want { .. } => verifier.allow_unauthenticated(),
                };
                let verifier = verifier.build().map_err(|error| library(&error))?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(pair.chain, pair.key)
            .map_err(|error| refused(&self.key_pair, &error))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if self.client_auth.ca_file().is_some() {
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        let own = pair
            .ends
            .map(|at| (self.key_pair.certificate_file.clone(), at));
        expiries.extend(pair.ends.map(|at| Expiry {
            used_for: SERVER,
            at,
        }));
        Ok(Built {
            config,
            expiries,
            own,
        })
    }
}

#[cfg(test)]
mod tests;
