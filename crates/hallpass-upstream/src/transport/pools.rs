//! Pooled connections, and others in their place once TLS has changed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hallpass_tls::ClientTls;
use hallpass_token::Thumbprint;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::time::Instant;

use super::connector::Connector;
use super::keep_alive::ByLimit;
use crate::body::Body;
use crate::random::random_fraction;

const MAX_RESPONSE_HEADERS: usize = 128;
const MAX_RESPONSE_HEADER_BYTES: usize = 64 * 1024;

pub(super) type HttpClient = Client<HttpsConnector<Connector>, Body>;

/// The TLS of a transport.
#[derive(Debug)]
pub(super) enum Tls {
    /// For as long as the transport lives.
    Fixed(Arc<ClientConfig>),
    /// As files say.
    Followed(ClientTls),
}

/// How pools are made.
pub(super) struct PoolSettings {
    pub(super) connector: Connector,
    pub(super) idle_timeout: Duration,
    pub(super) max_idle_per_host: usize,
    /// Requests that begin later than this after the pools were made get others; a quarter less in some processes.
    pub(super) max_age: Duration,
    /// Whether what may be secret may leave over plain http.
    pub(super) plain_http: bool,
}

/// The pools of a transport. They are replaced as a whole when TLS changes: a connection that was made while another
/// authority was trusted carries no request that begins later. So it is when they are old, since a server whose certificate was
/// replaced is not seen to have another one but by a new connection. Requests under way end on the connection they are on.
pub(super) struct Pools {
    settings: PoolSettings,
    tls: Tls,
    current: ArcSwap<Current>,
    /// What all that they were and will be have in common.
    name: Arc<()>,
}

pub(super) struct Current {
    pub(super) config: Arc<ClientConfig>,
    /// From when on no further request gets these.
    ends: Instant,
    name: Arc<()>,
    /// The digest of the one that is shown to servers that ask.
    pub(super) certificate: Option<Thumbprint>,
    /// For what may be secret.
    pub(super) guarded: ByLimit<HttpClient>,
    /// For what says that it is not.
    pub(super) open: ByLimit<HttpClient>,
}

impl Pools {
    pub(super) fn new(settings: PoolSettings, tls: Tls) -> Self {
        let name = Arc::new(());
        let current = Current::new(&settings, tls.config(), Arc::clone(&name));
        Self {
            settings,
            tls,
            current: ArcSwap::from_pointee(current),
            name,
        }
    }

    /// The pools for a request that begins now.
    pub(super) fn current(&self) -> Arc<Current> {
        let current = self.current.load_full();
        let config = self.tls.config();
        if Arc::ptr_eq(&current.config, &config) && Instant::now() < current.ends {
            return current;
        }
        // Two requests may do so at once: then the pool of one of them serves it alone.
        let name = Arc::clone(&self.name);
        let current = Arc::new(Current::new(&self.settings, config, name));
        self.current.store(Arc::clone(&current));
        current
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").finish_non_exhaustive()
    }
}

impl Tls {
    /// Protocols are not offered: the transport speaks HTTP/1.1.
    pub(super) fn fixed(mut config: ClientConfig) -> Self {
        config.alpn_protocols.clear();
        Self::Fixed(Arc::new(config))
    }

    fn config(&self) -> Arc<ClientConfig> {
        match self {
            Self::Fixed(config) => Arc::clone(config),
            Self::Followed(tls) => tls.config(),
        }
    }
}

impl Current {
    fn new(settings: &PoolSettings, config: Arc<ClientConfig>, name: Arc<()>) -> Self {
        let client = |connector: Connector| {
            let connector = HttpsConnector::from((connector, Arc::clone(&config)));
            ByLimit::new(settings.idle_timeout, |idle_timeout| {
                Client::builder(TokioExecutor::new())
                    .pool_timer(TokioTimer::new())
                    .pool_idle_timeout(idle_timeout)
                    .pool_max_idle_per_host(settings.max_idle_per_host)
                    .http1_max_headers(MAX_RESPONSE_HEADERS)
                    .http1_max_buf_size(MAX_RESPONSE_HEADER_BYTES)
                    .build(connector.clone())
            })
        };
        let open = client(settings.connector.clone().plain_http_anywhere());
        let guarded = if settings.plain_http {
            open.clone()
        } else {
            client(settings.connector.clone())
        };
        // Processes that were started together do not all connect anew at one moment.
        let life = settings.max_age.mul_f64(1.0 - random_fraction() / 4.0);
        Self {
            certificate: certificate(&config),
            ends: Instant::now() + life,
            config,
            name,
            guarded,
            open,
        }
    }

    /// Whether both are of one transport.
    pub(super) fn is_of_one_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name)
    }
}

/// Whatever a server asks for, it is shown the one that there is.
fn certificate(config: &ClientConfig) -> Option<Thumbprint> {
    let shown = config.client_auth_cert_resolver.resolve(&[], &[])?;
    shown
        .cert
        .first()
        .map(|own| Thumbprint::of_certificate(own))
}

#[cfg(test)]
mod tests;
