//! The accept loop.

mod opening;

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hallpass_tls::ServerTls;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tower_service::Service;

use crate::address_limit::AddressLimit;
use crate::handshake::Handshake;
use crate::limits::ConnectionLimits;
use crate::metrics::ConnectionMetrics;
use crate::networks::Networks;
use crate::newcomers::Newcomers;
use crate::panics;
use crate::places::ConnectionPlaces;
use crate::proxied::Proxied;
use crate::running::RunningServer;
use crate::said::Said;
use crate::seldom;
use crate::spares::Spares;

/// How often a stop looks for connections that the system has let in; each look takes some hundred.
const LAST_LOOKS: u32 = 8;
/// How long the accept loop pauses when the system has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listening socket whose connections are not served yet.
///
/// ```
/// use std::{convert::Infallible, time::Duration};
/// use hallpass_listen::{ConnectionLimits, HttpServer};
/// use http::Response;
/// use tokio::net::TcpListener;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let limits = ConnectionLimits { connections: 100, ..ConnectionLimits::default() };
/// let running = HttpServer::new(TcpListener::bind("127.0.0.1:0").await?)
///     .limits(limits)
///     .serve(|_peer| tower::service_fn(async |_request| Ok::<_, Infallible>(Response::new(String::from("hello")))))?;
/// assert!(!running.has_ended());
/// running.shutdown_within(Duration::from_secs(1)).await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "no request is served before `serve`"]
pub struct HttpServer {
    listener: TcpListener,
    limits: ConnectionLimits,
    metrics: ConnectionMetrics,
    tls: Option<ServerTls>,
    admission: Admission,
    places: Option<ConnectionPlaces>,
    proxies: Networks,
    forwarders: Networks,
    strict_lines: bool,
    shows_peers: bool,
    spare_descriptors: usize,
    newcomers: Option<Newcomers>,
}

impl HttpServer {
    /// Serves what comes to `listener`, within the default [`ConnectionLimits`].
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            limits: ConnectionLimits::default(),
            metrics: ConnectionMetrics::default(),
            tls: None,
            admission: Admission::default(),
            places: None,
            proxies: Networks::default(),
            forwarders: Networks::default(),
            strict_lines: false,
            shows_peers: false,
            spare_descriptors: 0,
            newcomers: None,
        }
    }

    /// Replaces the limits.
    pub fn limits(mut self, limits: ConnectionLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Shares `places` with other listeners; [`ConnectionLimits::connections`] says nothing then.
    pub fn places(mut self, places: ConnectionPlaces) -> Self {
        self.places = Some(places);
        self
    }

    /// Counts in `metrics`; by default the counts are not visible.
    pub fn metrics(mut self, metrics: ConnectionMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// Speaks TLS, and nothing else, on each connection. What a caller has shown of itself is then among the extensions of
    /// its requests: [`PeerCertificates`](hallpass_tls::PeerCertificates), or
    /// [`UnverifiedPeerCertificates`](hallpass_tls::UnverifiedPeerCertificates) where the TLS settings let those connect too.
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Demands of connections that come from `proxies` that they begin with a header of the PROXY protocol, of version 1 or 2, and takes the address
    /// in it for where they come from: in the service's peer, in [`ConnectionPeer`](crate::ConnectionPeer) and in the share of places. TLS begins behind the header.
    ///
    /// One that does not begin with such a header is closed, as the protocol demands: whether there is one must not be guessed. So are those whose
    /// header takes more than five seconds, or more than 107 bytes of version 1, or 4 KiB of version 2. What a proxy says of itself (`LOCAL`,
    /// `UNKNOWN`), and of callers without an address (`AF_UNIX`), keeps the proxy's own address. Connections from elsewhere are served as they are,
    /// and a header that they send is no HTTP. By default there are no such proxies.
    pub fn proxy_protocol(mut self, proxies: Networks) -> Self {
        self.proxies = proxies;
        self
    }

    /// Leaves connections from these addresses out of [`ConnectionLimits::connections_per_address`]: proxies, by each of whose connections come the
    /// requests of many. By default there are none.
    pub fn without_share(mut self, forwarders: Networks) -> Self {
        self.forwarders = forwarders;
        self
    }

    /// Closes connections of addresses that `admits` says no to as they come, before a byte of them is read. It is asked with each
    /// connection, must be quick, and counts by itself what it refuses. It is asked about the other end of the TCP connection, a proxy's too.
    pub fn admit(mut self, admits: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        self.admission = Admission(Some(Box::new(admits)));
        self
    }

    /// Refuses requests of HTTP/1 of which a line of the head ends with a bare LF; by default those are read as hyper and nginx read them
    /// (RFC 9112 section 2.2 allows both). For a server that hands requests on, to parties that may read such a line otherwise.
    pub fn strict_lines(mut self) -> Self {
        self.strict_lines = true;
        self
    }

    /// Puts a [`ConnectionPeer`](crate::ConnectionPeer) among the extensions of each request. By default none is there, which costs nothing.
    pub fn show_peers(mut self) -> Self {
        self.shows_peers = true;
        self
    }

    /// Keeps so many descriptors for connections that come while the process has none left: for a listener that must respond then too, such as the
    /// one that a platform asks for health. They are had again within ten seconds, when there are some. By default none is kept.
    pub fn spare_descriptors(mut self, count: usize) -> Self {
        self.spare_descriptors = count;
        self
    }

    /// Closes, where one more connection would find no place, one on which no request was let in yet, in its favour: of the address with most of
    /// them the one that has waited longest. Each request has a [`PlaceKeeper`](crate::PlaceKeeper) among its extensions, by which the service says
    /// that it has let it in; that connection is not closed for another one. For a listener with few places that strangers reach. Connections of
    /// [proxies](Self::proxy_protocol) keep theirs. By default all do.
    pub fn newcomers_give_way(mut self) -> Self {
        self.newcomers = Some(Newcomers::default());
        self
    }

    /// Serves each connection with the service that `service` makes for its peer. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the system does not say where the socket listens.
    pub fn serve<M, S, B>(self, service: M) -> io::Result<RunningServer>
    where
        M: Fn(SocketAddr) -> S + Send + Sync + 'static,
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
        S::Future: Send,
        B: Body + Send + 'static,
        B::Data: Send,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        let local_addr = self.listener.local_addr()?;
        let (drain, draining) = watch::channel(false);
        let (cut, cut_off) = watch::channel(false);
        let limits = self.limits.within_reach();
        let limit = limits.handshake_timeout;
        let handshake = self
            .tls
            .map(|tls| Handshake::new(tls, limit, draining.clone(), self.metrics.clone()));
        let places = self.places;
        let (most, metrics) = (limits.connections_per_address, self.metrics.clone());
        let of_address = AddressLimit::new(most, self.forwarders, metrics.clone());
        let proxied = (!self.proxies.is_empty())
            .then(|| Proxied::new(self.proxies, of_address.clone(), metrics));
        let accepting = Accepting {
            handshake,
            places: places.unwrap_or_else(|| ConnectionPlaces::new(limits.connections)),
            limits,
            strict_lines: self.strict_lines,
            metrics: self.metrics,
            admission: self.admission,
            service: Arc::new(service),
            shows_peers: self.shows_peers,
            draining,
            proxied,
            of_address,
            said: Said::default(),
            spares: Spares::new(self.spare_descriptors),
            newcomers: self.newcomers,
            connections: JoinSet::new(),
            working: mpsc::channel(1),
        };
        let accepting = tokio::spawn(accepting.run(self.listener, cut_off));
        Ok(RunningServer::new(local_addr, drain, cut, accepting))
    }
}

/// Whose connections are taken; by default everybody's.
#[derive(Default)]
struct Admission(Option<Box<dyn Fn(IpAddr) -> bool + Send + Sync>>);

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Admission")
    }
}

struct Accepting<M> {
    handshake: Option<Handshake>,
    admission: Admission,
    places: ConnectionPlaces,
    limits: ConnectionLimits,
    strict_lines: bool,
    metrics: ConnectionMetrics,
    service: Arc<M>,
    shows_peers: bool,
    /// True once no new connection is taken.
    draining: watch::Receiver<bool>,
    proxied: Option<Proxied>,
    of_address: AddressLimit,
    said: Said,
    spares: Spares,
    newcomers: Option<Newcomers>,
    /// Dropped with this, and all connections with it.
    connections: JoinSet<()>,
    /// Held by all that works for a connection, and told by the other end when nothing does.
    working: (mpsc::Sender<Infallible>, mpsc::Receiver<Infallible>),
}

impl<M, S, B> Accepting<M>
where
    M: Fn(SocketAddr) -> S + Send + Sync + 'static,
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    /// Accepts until `draining` is true, then waits for the open connections to finish what they do, or ends them and waits
    /// until they are gone when `cut_off` is true.
    async fn run(mut self, listener: TcpListener, cut_off: watch::Receiver<bool>) {
        let mut drain = std::pin::pin!(when_true(self.draining.clone()));
        let mut looks = tokio::time::interval(seldom::INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.open(stream, peer),
                    Err(error) if self.spares.give_up_for(&error) => {}
                    Err(error) => {
                        if let Some(times) = self.said.not_accepted.happened() {
                            tracing::warn!(%error, times, "connections could not be accepted");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                _look = looks.tick() => {
                    self.said.say_the_rest();
                    self.of_address.say_the_rest();
                    self.spares.fill();
                }
                Some(ended) = self.connections.join_next() => panics::note(ended),
                () = &mut drain => break,
            }
        }
        self.open_waiting(&listener).await;
        drop(listener);
        let connections = &mut self.connections;
        tokio::select! {
            () = async {
                while let Some(ended) = connections.join_next().await {
                    panics::note(ended);
                }
            } => {}
            // Ended, and gone: an aborted task may still be in the middle of its work on another thread.
            () = when_true(cut_off) => {
                self.connections.shutdown().await;
                let (working, mut all_gone) = self.working;
                drop(working);
                let _none = all_gone.recv().await;
            }
        }
    }

    /// Opens the connections that the system has let in already: closing the socket would reset them.
    async fn open_waiting(&mut self, listener: &TcpListener) {
        for _look in 0..LAST_LOOKS {
            tokio::select! {
                biased;
                () = async {
                    while let Ok((stream, peer)) = listener.accept().await {
                        self.open(stream, peer);
                    }
                } => {}
                () = std::future::ready(()) => {}
            }
            tokio::task::yield_now().await;
        }
    }
}

/// Ready once `flag` is true, or its sender is gone: then the server is dropped and must end too.
async fn when_true(mut flag: watch::Receiver<bool>) {
    let _set = flag.wait_for(|set| *set).await;
}
