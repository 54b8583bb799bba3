//! What a listener shows and demands.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hallpass_clock::Clock;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig};

use crate::error::TlsError;
use crate::files::Contents;
use crate::followed::{Built, Followed, Source, offer};
use crate::key_pair::{KeyPair, add_authorities, library, provider_and_time, refused};
use crate::metrics::TlsMetrics;
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

offer!(ServerTls, ServerTlsSettings, ServerConfig);

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
        let (provider, time) = provider_and_time(clock);
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), time)
            .with_safe_default_protocol_versions()
            .map_err(|error| library(&error))?;
        let mut authorities = None;
        let builder = match self.client_auth.ca_file() {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                authorities =
                    add_authorities(&mut roots, path, files, CLIENT_AUTHORITY, clock.now())?;
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
        let built = Built::new(config, authorities);
        Ok(built.with_own(SERVER, &self.key_pair.certificate_file, pair.ends))
    }
}

#[cfg(test)]
mod tests;
