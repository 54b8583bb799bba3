//! The HTTP transport below every outgoing call.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arc_swap::Guard;
use hallpass_tls::ClientTls;
use http::{Request, Response};
use hyper_rustls::ConfigBuilderExt;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::time::Instant;
use tower_service::Service;

use crate::body::Body;
use crate::bulkhead::DEFAULT_CONCURRENT;
use crate::resolver::Resolver;
use connector::Connector;
use pooled::PooledCall;
use pools::{PoolSettings, Pools, Tls};
use secrets::has_credentials;

pub use cause::TransportCause;
pub use connections::Connections;
pub use error::{TransportError, TransportErrorKind};
pub use http2::Http2;
pub use secrets::is_for_a_secret;

mod cause;
mod connections;
mod connector;
mod error;
mod http2;
mod keep_alive;
mod lean;
mod pooled;
mod pools;
mod secrets;
mod secured;
mod silence;
#[cfg(feature = "test-util")]
mod simulated;

/// Default wait for one TCP connection. The TLS handshake on top of it has a limit of its own.
pub(crate) const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Default time after which an unused connection is closed. Below the 5 s after which the hastiest of the common servers
/// close (Node.js, uvicorn), so that a call rarely meets a connection that the server has just closed.
pub(crate) const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(4);
/// Longest such time, and longest age of a connection; the pool adds it to the time of day.
const MAX_IDLE_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);
/// Default time after which no further request goes over a connection.
pub(crate) const DEFAULT_MAX_AGE: Duration = Duration::from_secs(300);
/// Shortest such time.
const MIN_AGE: Duration = Duration::from_secs(1);
/// Default number of unused connections kept per instance: as many as calls may be under way to one. Responses come in bursts, and with fewer
/// than calls at a time each burst would close connections that the next calls have to make again.
const DEFAULT_MAX_IDLE_PER_HOST: usize = DEFAULT_CONCURRENT;

/// Sends requests over pooled connections, with TLS by rustls on aws-lc-rs: by HTTP/1.1, or as [`Http2`] of a request says.
///
/// Redirects are not followed and proxy variables are not read: a service call goes where discovery
/// says and nowhere else. There is no limit on the time of a whole call; the layers above set one.
///
/// **Plain http** goes to the loopback interface only, judged by the address that a connection is made to, whatever the
/// name of the host is: everything that is sent may be secret. Two things lift that: a request says that it
/// [`CarriesNoSecret`], or [`HttpTransportBuilder::dangerous_plain_http`] is set. The two kinds of requests share no
/// connection.
///
/// Cloning shares the connection pool.
///
/// ```no_run
/// use std::time::Duration;
/// use hallpass_upstream::{Body, BoxError, HttpTransport};
/// use tower_service::Service;
///
/// # async fn example() -> Result<(), BoxError> {
/// let mut transport = HttpTransport::builder().connect_timeout(Duration::from_millis(300)).build()?;
/// let request = http::Request::get("https://login.example/.well-known/openid-configuration").body(Body::empty())?;
/// let response = tokio::time::timeout(Duration::from_secs(2), transport.call(request)).await??;
/// let metadata = response.into_body().collect_within(64 * 1024).await?;
/// # let _ = metadata;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct HttpTransport {
    pools: Arc<Pools>,
    #[cfg(feature = "test-util")]
    simulated: Option<simulated::Simulated>,
}

/// In the extensions of a request: nothing of it is secret, so it may leave over plain http. The bearer layer of
/// `hallpass-client` puts it there when a call is made in nobody's name (`identity = "none"`).
///
/// It does not count for a request with a header that may be a secret all the same: whose value is marked
/// [sensitive](http::HeaderValue::is_sensitive), or whose name says so (`Authorization`, `Proxy-Authorization`, `Cookie`,
/// `X-Api-Key`, `X-Auth-Token`, `X-Session-Id` and whatever has such a word in it). A harmless header of such a name, `X-Cache-Key`
/// say, keeps its request from leaving too, but `Idempotency-Key` does not. The address and the body are not looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CarriesNoSecret;

impl HttpTransport {
    /// A transport with the defaults of [`HttpTransportBuilder`].
    ///
    /// # Errors
    /// As [`HttpTransportBuilder::build`].
    pub fn new() -> Result<Self, TransportError> {
        Self::builder().build()
    }

    /// The connections for requests that begin now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        Connections::new(Guard::into_inner(self.pools.current(Instant::now())))
    }

    /// A network that a test makes up: `respond` is given each request, and no socket is opened. What a real transport holds back, such
    /// as a secret over plain http, is not held back.
    ///
    /// # Errors
    /// As [`HttpTransport::new`].
    #[cfg(feature = "test-util")]
    pub fn simulated<F>(
        respond: impl Fn(Request<Body>) -> F + Send + Sync + 'static,
    ) -> Result<Self, TransportError>
    where
        F: Future<Output = Result<Response<Body>, TransportError>> + Send + 'static,
    {
        let mut transport = Self::new()?;
        transport.simulated = Some(simulated::Simulated::new(respond));
        Ok(transport)
    }

    /// Settings first; see [`HttpTransportBuilder`].
    #[must_use]
    pub fn builder() -> HttpTransportBuilder {
        HttpTransportBuilder::default()
    }
}

impl fmt::Debug for HttpTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTransport").finish_non_exhaustive()
    }
}

/// Settings of an [`HttpTransport`].
#[derive(Debug)]
pub struct HttpTransportBuilder {
    connect_timeout: Duration,
    idle_timeout: Duration,
    max_idle_per_host: usize,
    max_age: Duration,
    tls: Option<Tls>,
    plain_http: bool,
    resolver: Resolver,
}

impl Default for HttpTransportBuilder {
    fn default() -> Self {
        Self {
            connect_timeout: DEFAULT_CONNECT_TIMEOUT,
            idle_timeout: DEFAULT_IDLE_TIMEOUT,
            max_idle_per_host: DEFAULT_MAX_IDLE_PER_HOST,
            max_age: DEFAULT_MAX_AGE,
            tls: None,
            plain_http: false,
            resolver: Resolver::system(),
        }
    }
}

impl HttpTransportBuilder {
    /// Looks host names up in place of the operating system: `look_up` gets a name in lower case and gives its addresses, in
    /// the order in which they are tried. It is called once at a time for a name, for at most 16 names at a time, and not again
    /// within 2 s; a caller waits for it for at most 6 s.
    #[must_use]
    pub fn look_up<F>(mut self, look_up: impl Fn(String) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = io::Result<Vec<IpAddr>>> + Send + 'static,
    {
        self.resolver = Resolver::new(move |host| Box::pin(look_up(host)));
        self
    }

    /// Wait for one TCP connection; default 1 s. A TLS handshake on top of it may take 5 s more.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Time after which an unused connection is closed; default 4 s, at most a day. A server that announces with
    /// `Keep-Alive: timeout=` that it closes earlier is believed.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// Unused connections kept per instance; default 256, as many as calls may be under way to one ([`BulkheadSettings`](crate::BulkheadSettings)).
    #[must_use]
    pub fn max_idle_per_host(mut self, connections: usize) -> Self {
        self.max_idle_per_host = connections;
        self
    }

    /// Time after which no further request goes over a connection, however much it is used; default 300 s, from one second to a
    /// day. It bounds how long a server is believed by a certificate that it has replaced, that has expired or whose key was stolen.
    /// Requests under way go on; no request fails for it. A process takes up to a quarter less of it, at random.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = age;
        self
    }

    /// TLS settings in full (own roots, client certificate). Its ALPN protocols do not count: see [`Http2`].
    #[must_use]
    pub fn tls(mut self, config: ClientConfig) -> Self {
        self.tls = Some(Tls::fixed(config));
        self
    }

    /// TLS by files that are followed. When they change, requests that begin later go over new connections: none is used
    /// that was made while another authority was trusted, or that shows another certificate.
    #[must_use]
    pub fn followed_tls(mut self, tls: ClientTls) -> Self {
        self.tls = Some(Tls::Followed(tls));
        self
    }

    /// Whether client secrets, tokens and keys that are trusted may go over plain http to other hosts, where everybody on
    /// the way reads and changes them; default no. For networks that encrypt by themselves (a service mesh).
    #[must_use]
    pub fn dangerous_plain_http(mut self, is_allowed: bool) -> Self {
        self.plain_http = is_allowed;
        self
    }

    /// Trusts the certificates in `pem` and no others; for a private certificate authority.
    ///
    /// # Errors
    /// [`TransportErrorKind::Tls`] when `pem` holds no certificate or one that cannot be read.
    pub fn trust_only_pem(self, pem: &[u8]) -> Result<Self, TransportError> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(TransportError::tls)?;
            roots.add(certificate).map_err(TransportError::tls)?;
        }
        if roots.is_empty() {
            return Err(TransportError::new(
                TransportErrorKind::Tls,
                "no certificate in the PEM text",
            ));
        }
        Ok(self.tls(config_with(roots)?))
    }

    /// The transport. Opens no connection yet.
    ///
    /// Without TLS settings it trusts the operating system's roots. Where there are none (a bare
    /// container) plain http still works and https is refused as untrusted, so that a service that needs
    /// no TLS starts everywhere.
    ///
    /// # Errors
    /// [`TransportErrorKind::Tls`] when the TLS library refuses its own defaults.
    pub fn build(self) -> Result<HttpTransport, TransportError> {
        let tls = match self.tls {
            Some(tls) => tls,
            None => Tls::fixed(system_roots()?),
        };
        let settings = PoolSettings {
            connector: Connector::new(&self.resolver, self.connect_timeout),
            idle_timeout: self.idle_timeout.min(MAX_IDLE_TIMEOUT),
            max_idle_per_host: self.max_idle_per_host,
            max_age: self.max_age.clamp(MIN_AGE, MAX_IDLE_TIMEOUT),
            plain_http: self.plain_http,
        };
        Ok(HttpTransport {
            pools: Arc::new(Pools::new(settings, tls)),
            #[cfg(feature = "test-util")]
            simulated: None,
        })
    }
}

fn tls_defaults()
-> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, TransportError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(TransportError::tls)
}

fn config_with(roots: RootCertStore) -> Result<ClientConfig, TransportError> {
    Ok(tls_defaults()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn system_roots() -> Result<ClientConfig, TransportError> {
    match tls_defaults()?.with_native_roots() {
        Ok(builder) => Ok(builder.with_no_client_auth()),
        Err(error) => {
            tracing::warn!(%error, "no root certificates on this system: https calls will be refused");
            config_with(RootCertStore::empty())
        }
    }
}

impl Service<Request<Body>> for HttpTransport {
    type Response = Response<Body>;
    type Error = TransportError;
    type Future = TransportFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> TransportFuture {
        self.call_at(request, Instant::now())
    }
}

impl HttpTransport {
    /// The same, for who has just looked at tokio's clock: it is `now`.
    pub fn call_at(&self, request: Request<Body>, now: Instant) -> TransportFuture {
        #[cfg(feature = "test-util")]
        if let Some(simulated) = &self.simulated {
            let way = Way::Simulated(simulated.call(request));
            return TransportFuture { way };
        }
        let is_open = request.extensions().get::<CarriesNoSecret>().is_some()
            && !has_credentials(request.headers());
        let current = self.pools.current(now);
        let demanded = request.extensions().get::<Connections>().cloned();
        let demanded = demanded.as_ref().and_then(|it| it.in_place_of(&current));
        let pools = demanded.unwrap_or(&current).fitting(is_open);
        let http2 = request.extensions().get::<Http2>().copied();
        let way = match http2.unwrap_or_default() {
            Http2::Never => match pools.lean().call(request, now) {
                Ok(call) => Way::Lean(call),
                Err(request) => {
                    let request = *request;
                    Way::Pooled(PooledCall::new(
                        pools,
                        request,
                        Http2::Never,
                        self.pools.limits(),
                    ))
                }
            },
            http2 => Way::Pooled(PooledCall::new(pools, request, http2, self.pools.limits())),
        };
        TransportFuture { way }
    }
}

/// The response of [`HttpTransport`], up to and including its headers. When it is dropped before it is ready, the connection of its
/// request ends.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub struct TransportFuture {
    way: Way,
}

#[derive(Debug)]
enum Way {
    Lean(lean::Call),
    Pooled(PooledCall),
    #[cfg(feature = "test-util")]
    Simulated(simulated::Call),
}

impl Future for TransportFuture {
    type Output = Result<Response<Body>, TransportError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.way {
            Way::Lean(call) => Pin::new(call).poll(context),
            Way::Pooled(call) => Pin::new(call).poll(context),
            #[cfg(feature = "test-util")]
            Way::Simulated(call) => Pin::new(call).poll(context),
        }
    }
}

#[cfg(test)]
mod tests;
