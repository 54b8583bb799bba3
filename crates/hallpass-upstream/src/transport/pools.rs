//! Pooled connections, and others in their place once TLS has changed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use hallpass_tls::ClientTls;
use hallpass_token::Thumbprint;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::ClientConfig;
use tokio::time::Instant;

use super::connector::Connector;
use super::http2::{self, Http2};
use super::keep_alive::{AnnouncedLimits, ByLimit};
use super::lean::{self, Lean};
use super::secured::Secured;
use crate::body::Body;
use crate::random::random_fraction;

// A response has 100 headers at most, hyper's own limit (a test holds it): with another one it takes two blocks of 4 KiB from the heap for each response.
const MAX_RESPONSE_HEADER_BYTES: usize = 64 * 1024;

pub(super) type HttpClient = Client<Secured, Body>;

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
    limits: AnnouncedLimits,
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
    guarded: ByVersion,
    /// For what says that it is not.
    open: ByVersion,
}

/// One pool for each way to agree on the version of HTTP.
#[derive(Clone)]
pub(super) struct ByVersion {
    lean: Lean,
    /// For what [`Lean`] does not take: connections that become something else.
    http1: ByLimit<HttpClient>,
    /// The server chooses.
    negotiated: ByLimit<HttpClient>,
    /// Servers announce no limit by HTTP/2.
    http2: HttpClient,
}

impl Pools {
    pub(super) fn new(settings: PoolSettings, tls: Tls) -> Self {
        let name = Arc::new(());
        let current = Current::new(&settings, tls.config(), Arc::clone(&name));
        Self {
            settings,
            tls,
            current: ArcSwap::from_pointee(current),
            limits: AnnouncedLimits::default(),
            name,
        }
    }

    /// What servers have announced, for all of them.
    pub(super) const fn limits(&self) -> &AnnouncedLimits {
        &self.limits
    }

    /// The pools for a request that begins `now`.
    pub(super) fn current(&self, now: Instant) -> Guard<Arc<Current>> {
        let current = self.current.load();
        if self.tls.is_still(&current.config) && now < current.ends {
            return current;
        }
        // Two requests may do so at once: then the pool of one of them serves it alone.
        let name = Arc::clone(&self.name);
        let current = Arc::new(Current::new(&self.settings, self.tls.config(), name));
        self.current.store(Arc::clone(&current));
        Guard::from_inner(current)
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pools").finish_non_exhaustive()
    }
}

impl Tls {
    /// Which protocols are offered goes by the request: see [`Http2`].
    pub(super) fn fixed(mut config: ClientConfig) -> Self {
        config.alpn_protocols.clear();
        Self::Fixed(Arc::new(config))
    }

    fn is_still(&self, config: &Arc<ClientConfig>) -> bool {
        match self {
            Self::Fixed(_) => true,
            Self::Followed(tls) => Arc::ptr_eq(&tls.config(), config),
        }
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
        let offering = |http2: Http2| {
            let mut config = ClientConfig::clone(&config);
            config.alpn_protocols = http2.protocols();
            Arc::new(config)
        };
        let tls = TlsByVersion {
            http1: Arc::clone(&config),
            negotiated: offering(Http2::Auto),
            http2: offering(Http2::Always),
        };
        let open = settings.connector.clone().plain_http_anywhere();
        let open = ByVersion::new(settings, &open, &tls);
        let guarded = if settings.plain_http {
            open.clone()
        } else {
            ByVersion::new(settings, &settings.connector, &tls)
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

    /// The connections for a request. `is_open`: nothing of it is secret.
    pub(super) const fn fitting(&self, is_open: bool) -> &ByVersion {
        if is_open { &self.open } else { &self.guarded }
    }

    /// Whether both are of one transport.
    pub(super) fn is_of_one_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name)
    }
}

/// What is offered, by the way to agree on the version of HTTP. All else is the same.
struct TlsByVersion {
    http1: Arc<ClientConfig>,
    negotiated: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl ByVersion {
    /// The connections for requests by HTTP/1.1.
    pub(super) const fn lean(&self) -> &Lean {
        &self.lean
    }

    /// The pool of hyper-util for a request to a server that closes unused connections after `limit`.
    pub(super) fn fitting(&self, http2: Http2, limit: Option<Duration>) -> &HttpClient {
        match http2 {
            Http2::Never => self.http1.fitting(limit),
            Http2::Auto => self.negotiated.fitting(limit),
            Http2::Always => &self.http2,
        }
    }

    fn new(settings: &PoolSettings, connector: &Connector, tls: &TlsByVersion) -> Self {
        let idle_timeout = settings.idle_timeout;
        let (shared, tls_http2) = (connector.clone().shared(), Arc::clone(&tls.http2));
        let pool = |connector: &Connector, tls: &Arc<ClientConfig>, idle_timeout: Duration| {
            let connector = Secured::new(connector.clone(), Arc::clone(tls));
            let mut builder = Client::builder(TokioExecutor::new());
            builder
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(idle_timeout)
                .pool_max_idle_per_host(settings.max_idle_per_host)
                .http1_max_buf_size(MAX_RESPONSE_HEADER_BYTES)
                .http2_only(Arc::ptr_eq(tls, &tls_http2));
            http2::limit(&mut builder).build(connector)
        };
        let lean = lean::Settings {
            connector: Secured::new(connector.clone(), Arc::clone(&tls.http1)),
            builder: http1_builder(),
            max_idle: settings.max_idle_per_host,
            kept_for: ByLimit::new(idle_timeout, |time| time),
        };
        Self {
            lean: Lean::new(lean),
            http1: ByLimit::new(idle_timeout, |time| pool(connector, &tls.http1, time)),
            negotiated: ByLimit::new(idle_timeout, |time| pool(&shared, &tls.negotiated, time)),
            http2: pool(&shared, &tls.http2, idle_timeout),
        }
    }
}

fn http1_builder() -> hyper::client::conn::http1::Builder {
    let mut builder = hyper::client::conn::http1::Builder::new();
    builder.max_buf_size(MAX_RESPONSE_HEADER_BYTES);
    builder
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
