//! Pooled connections, and others in their place once TLS has changed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use hallpass_tls::ClientTls;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;

use super::connector::Connector;
use super::keep_alive::ByLimit;
use crate::body::Body;

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
    /// Whether what may be secret may leave over plain http.
    pub(super) plain_http: bool,
}

/// The pools of a transport. They are replaced as a whole when TLS changes: a connection that was made while another
/// authority was trusted carries no request that begins later. Requests under way end on the connection they are on.
pub(super) struct Pools {
    settings: PoolSettings,
    tls: Tls,
    current: ArcSwap<Current>,
}

pub(super) struct Current {
    config: Arc<ClientConfig>,
    /// For what may be secret.
    pub(super) guarded: ByLimit<HttpClient>,
    /// For what says that it is not.
    pub(super) open: ByLimit<HttpClient>,
}

impl Pools {
    pub(super) fn new(settings: PoolSettings, tls: Tls) -> Self {
        let current = Current::new(&settings, tls.config());
        Self {
            settings,
            tls,
            current: ArcSwap::from_pointee(current),
        }
    }

    /// The pools for a request that begins now.
    pub(super) fn current(&self) -> Arc<Current> {
        let current = self.current.load_full();
        let config = self.tls.config();
        if Arc::ptr_eq(&current.config, &config) {
            return current;
        }
        // Two requests may do so at once: then the pool of one of them serves it alone.
        let current = Arc::new(Current::new(&self.settings, config));
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
    fn new(settings: &PoolSettings, config: Arc<ClientConfig>) -> Self {
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
        Self {
            config,
            guarded,
            open,
        }
    }
}

#[cfg(test)]
mod tests;
