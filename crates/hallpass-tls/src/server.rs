//! What a listener shows and demands.

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig};

use crate::any_certificate::AnyCertificate;
use crate::error::TlsError;
use crate::files::Contents;
use crate::followed::{Built, Followed, Source, offer};
use crate::key_pair::{KeyPair, add_authorities, library, provider_and_time, refused};
use crate::metrics::{Expiry, TlsMetrics};
use crate::peer::{CallerNow, PeerCertificates, ShownCertificates, UnverifiedPeerCertificates};
use crate::settings::{ClientAuth, ServerTlsSettings};

const SERVER: &str = "server";
const CLIENT_AUTHORITY: &str = "client_authority";

/// TLS 1.2 and 1.3 for a listener that speaks HTTP/1.1, by the files of [`ServerTlsSettings`]. Cheap to clone; clones share
/// everything.
///
/// The files are looked at every 5 seconds from the first [`config`](Self::config) in a tokio runtime on. What has changed
/// is used for new connections; open ones go on, but for what the caller has shown ([`Caller`](crate::Caller)). What cannot be used (half written, a key that belongs to another
/// certificate, expired while the one in use is valid) changes nothing, is logged as an error, and is counted.
///
/// With client authentication a session is never resumed, so that each connection shows that the certificate is still valid.
///
/// **What it does not check**: revocation, and names in clients' certificates ([`CertificateName`](crate::CertificateName) does);
/// who may do what is decided by tokens.
#[derive(Clone)]
pub struct ServerTls {
    followed: Arc<Followed<ServerTlsSettings>>,
}

/// What a listener uses for a connection that begins now: how it shakes hands, and what it then knows of the caller, by
/// [`Caller`](crate::Caller).
pub struct Listening {
    config: Arc<ServerConfig>,
    client_auth: ClientAuth,
    /// Tells whose certificates come from an authority.
    authorities: Authorities,
    time: Arc<dyn TimeProvider>,
}

impl ServerTls {
    /// For a connection that begins now. It is another value, and not only an equal one, once something has changed.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        self.followed.current().config()
    }

    /// The same, with what tells afterwards who has called.
    #[must_use]
    pub fn listening(&self) -> Arc<Listening> {
        self.followed.current()
    }
}

impl Listening {
    /// How hands are shaken.
    #[must_use]
    pub fn config(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.config)
    }

    /// What is known of a caller that has shown this in a handshake. `is_verified`: in one by [`config`](Self::config), just now.
    pub(crate) fn judge(&self, shown: &[CertificateDer<'static>], is_verified: bool) -> CallerNow {
        let Some((own, others)) = shown.split_first() else {
            return match self.client_auth {
                ClientAuth::Need { .. } => CallerNow::Refused,
                _ => CallerNow::Nobody,
            };
        };
        let is_good = || {
            let judge = self.authorities.as_ref().zip(self.time.current_time());
            judge.is_some_and(|(judge, now)| judge.verify_client_cert(own, others, now).is_ok())
        };
        let verified = || PeerCertificates::new(Some(shown)).map(ShownCertificates::Verified);
        let unverified =
            || UnverifiedPeerCertificates::new(Some(shown)).map(ShownCertificates::Unverified);
        let known = match self.client_auth {
            ClientAuth::None => None,
            ClientAuth::Need { .. } | ClientAuth::Want { .. } if is_verified || is_good() => {
                verified()
            }
            // A handshake with it would fail.
            ClientAuth::Need { .. } | ClientAuth::Want { .. } => return CallerNow::Refused,
            ClientAuth::Any { .. } if is_good() => verified(),
            ClientAuth::Any { .. } => unverified(),
        };
        known.map_or(CallerNow::Nobody, CallerNow::Known)
    }

    /// The time by which certificates are judged, since 1970.
    pub(crate) fn seconds(&self) -> Duration {
        let now = self.time.current_time();
        Duration::from_secs(now.map_or(0, |now| now.as_secs()))
    }
}

impl fmt::Debug for Listening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").finish_non_exhaustive()
    }
}

offer!(ServerTls, ServerTlsSettings);

impl Source for ServerTlsSettings {
    type Config = Listening;
    const USED_FOR: &'static str = SERVER;
    const ALL_USES: &'static [&'static str] = &[SERVER, CLIENT_AUTHORITY];
    type Settings = Self;

    fn of(settings: &Self) -> Self {
        settings.clone()
    }

    fn with(&self, settings: &Self) -> Self {
        settings.clone()
    }

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
    ) -> Result<Built<Listening>, TlsError> {
        let pair = KeyPair::read(&self.key_pair, files)?;
        let (provider, time) = provider_and_time(clock);
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), Arc::clone(&time))
            .with_safe_default_protocol_versions()
            .map_err(|error| library(&error))?;
        let (authorities, expiry) = self.authorities(files, clock, &provider)?;
        let builder = match (&self.client_auth, &authorities) {
            (ClientAuth::Any { .. }, _) => {
                builder.with_client_cert_verifier(Arc::new(AnyCertificate::new(&provider)))
            }
            (_, Some(authorities)) => builder.with_client_cert_verifier(Arc::clone(authorities)),
            (_, None) => builder.with_no_client_auth(),
        };
        let mut config = builder
            .with_single_cert(pair.chain, pair.key)
            .map_err(|error| refused(&self.key_pair, &error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        if self.client_auth != ClientAuth::None {
            config.session_storage = Arc::new(NoServerSessionStorage {});
        }
        let listening = Listening {
            config: Arc::new(config),
            client_auth: self.client_auth.clone(),
            authorities,
            time,
        };
        let built = Built::new(listening, expiry);
        Ok(built.with_own(
            SERVER,
            &self.key_pair.certificate_file,
            (pair.ends, pair.validity),
        ))
    }
}

/// What tells whose certificates come from an authority.
type Authorities = Option<Arc<dyn ClientCertVerifier>>;

impl ServerTlsSettings {
    /// The authorities of callers, and when they end.
    fn authorities(
        &self,
        files: &Contents,
        clock: &Arc<dyn Clock>,
        provider: &Arc<CryptoProvider>,
    ) -> Result<(Authorities, Option<Expiry>), TlsError> {
        let Some(path) = self.client_auth.ca_file() else {
            return Ok((None, None));
        };
        let mut roots = RootCertStore::empty();
        let expiry = add_authorities(&mut roots, path, files, CLIENT_AUTHORITY, clock.now())?;
        let (roots, provider) = (Arc::new(roots), Arc::clone(provider));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
        let verifier = match self.client_auth {
            ClientAuth::Need { .. } => verifier,
            ClientAuth::None | ClientAuth::Any { .. } | ClientAuth::Want { .. } => {
                verifier.allow_unauthenticated()
            }
        };
        let verifier = verifier.build().map_err(|error| library(&error))?;
        Ok((Some(verifier), expiry))
    }
}

#[cfg(test)]
mod tests;
