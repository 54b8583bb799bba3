//! Whom outgoing connections trust, and what they show.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use hallpass_clock::Clock;
use rustls::{ClientConfig, RootCertStore};

use crate::error::TlsError;
use crate::files::Contents;
use crate::followed::{Built, Followed, Source, offer};
use crate::key_pair::{KeyPair, add_authorities, library, provider_and_time, refused};
use crate::metrics::TlsMetrics;
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
    followed: Arc<Followed<ClientTlsSettings>>,
}

impl ClientTls {
    /// For a connection that begins now. It is another value, and not only an equal one, once something has
    /// changed: who keeps connections must not use those that were made with another.
    #[must_use]
    pub fn config(&self) -> Arc<ClientConfig> {
        self.followed.current()
    }
}

offer!(ClientTls, ClientTlsSettings);

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
        let authorities = match &self.ca_file {
            Some(path) => add_authorities(&mut roots, path, files, SERVER_AUTHORITY, clock.now())?,
            None => None,
        };
        if self.system_roots {
            add_system_roots(&mut roots);
        }
        let (provider, time) = provider_and_time(clock);
        let builder = ClientConfig::builder_with_details(provider, time)
            .with_safe_default_protocol_versions()
            .map_err(|error| library(&error))?
            .with_root_certificates(roots);
        let Some(settings) = &self.key_pair else {
            return Ok(Built::new(builder.with_no_client_auth(), authorities));
        };
        let pair = KeyPair::read(settings, files)?;
        let config = builder
            .with_client_auth_cert(pair.chain, pair.key)
            .map_err(|error| refused(settings, &error))?;
        let built = Built::new(config, authorities);
        Ok(built.with_own(
            CLIENT,
            &settings.certificate_file,
            (pair.ends, pair.validity),
        ))
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
