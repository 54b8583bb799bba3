//! Tunnels of `CONNECT`: bytes both ways to a host that the settings name, without an identity.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::ConnectionHandle;
use http::request::Parts;
use http::{Response, StatusCode};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use prometheus_client::metrics::gauge::Gauge;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::outside::{LookUp, permitted};
use crate::problem::problem;
use crate::proxy::metrics::{ProxyMetrics, RouteCounters};
use crate::proxy::seen::upgrade_of;
use crate::proxy::tunnel::copy_between;
use crate::settings::sidecar::{OutsideAddress, TUNNEL};

/// Tunnels that are open at once, or being opened: a fourth of the connections that one address may have, so that services can be called beside them.
const MAX_TUNNELS: usize = 256;
/// Names that are looked up at once: each may hold a thread until the operating system gives up.
const MAX_LOOK_UPS: usize = 16;
/// How long it may take until a tunnel is open.
const OPEN_LIMIT: Duration = Duration::from_secs(10);
/// How long one address is tried of several.
const ADDRESS_LIMIT: Duration = Duration::from_secs(3);
/// Addresses of a name that are tried.
const MAX_TRIED: usize = 4;
/// The longest time in which nothing moves, in either direction; twice of it at most.
const IDLE_LIMIT: Duration = Duration::from_secs(3_600);

/// Opens them.
pub(super) struct Tunnels {
    look_up: LookUp,
    places: Arc<Semaphore>,
    looking_up: Semaphore,
    open: Gauge,
    pub(super) counters: RouteCounters,
}

/// Why there is no tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoTunnel {
    /// So many are open.
    Full,
    /// The host cannot be connected to, or its name leads to an address that is not called.
    Unreachable,
    /// It took too long.
    TooLong,
    /// The connection that asks cannot become one.
    NotSwitched,
}

impl NoTunnel {
    /// What refuses, for the metrics.
    pub(super) const fn by(self) -> &'static str {
        match self {
            Self::Full => "bulkhead",
            Self::Unreachable => "upstream",
            Self::TooLong => "timeout",
            Self::NotSwitched => "framing",
        }
    }

    pub(super) fn response(self) -> Response<Bytes> {
        let (status, code, title) = match self {
            Self::Full => (
                StatusCode::SERVICE_UNAVAILABLE,
                "upstream_busy",
                "As many tunnels are open as may be.",
            ),
            Self::Unreachable => (
                StatusCode::BAD_GATEWAY,
                "upstream_unreachable",
                "The host cannot be connected to.",
            ),
            Self::TooLong => (
                StatusCode::GATEWAY_TIMEOUT,
                "upstream_timeout",
                "Connecting to the host took too long.",
            ),
            Self::NotSwitched => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This connection cannot become a tunnel.",
            ),
        };
        problem(status, code, title)
    }
}

impl Tunnels {
    pub(super) fn new(look_up: LookUp, metrics: &ProxyMetrics) -> Self {
        Self {
            look_up,
            places: Arc::new(Semaphore::new(MAX_TUNNELS)),
            looking_up: Semaphore::new(MAX_LOOK_UPS),
            open: metrics.open_tunnels.clone(),
            counters: metrics.of_route(TUNNEL),
        }
    }

    /// Connects to a host; once the response has gone, the connection of the request is joined with that one.
    ///
    /// # Errors
    /// [`NoTunnel`].
    pub(super) async fn open(
        &self,
        to: &OutsideAddress,
        parts: &mut Parts,
    ) -> Result<Response<Bytes>, NoTunnel> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| NoTunnel::Full)?;
        let caller = upgrade_of(parts).ok_or(NoTunnel::NotSwitched)?;
        let connected = timeout(OPEN_LIMIT, self.connect(to)).await;
        let connected = connected.map_err(|_| NoTunnel::TooLong)?;
        let stream = connected.map_err(|error| {
            tracing::debug!(%error, %to, "a tunnel could not be opened");
            NoTunnel::Unreachable
        })?;
        let held = Held::new(place, &self.open);
        tokio::spawn(join(caller, stream, held));
        Ok(Response::new(Bytes::new()))
    }

    async fn connect(&self, to: &OutsideAddress) -> io::Result<TcpStream> {
        let addresses = match to.address() {
            Some(address) => vec![address],
            None => {
                let looking_up = self.looking_up.acquire().await;
                let _looking_up = looking_up.map_err(io::Error::other)?;
                permitted(&self.look_up, to.host().to_owned()).await?
            }
        };
        let mut failure = io::ErrorKind::NotFound.into();
        for address in addresses.into_iter().take(MAX_TRIED) {
            let connecting = TcpStream::connect(SocketAddr::new(address, to.port()));
            match timeout(ADDRESS_LIMIT, connecting).await {
                Ok(Ok(stream)) => {
                    stream.set_nodelay(true)?;
                    return Ok(stream);
                }
                Ok(Err(error)) => failure = error,
                Err(_) => failure = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(failure)
    }
}

/// What an open tunnel holds.
struct Held {
    _place: OwnedSemaphorePermit,
    open: Gauge,
}

impl Held {
    fn new(place: OwnedSemaphorePermit, open: &Gauge) -> Self {
        open.inc();
        Self {
            _place: place,
            open: open.clone(),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.open.dec();
    }
}

/// Until either side ends, or the server does.
async fn join((caller, connection): (OnUpgrade, ConnectionHandle), stream: TcpStream, held: Held) {
    let copied = async {
        let caller = caller.await.map_err(io::Error::other)?;
        copy_between(TokioIo::new(caller), stream, IDLE_LIMIT).await
    };
    tokio::select! {
        biased;
        () = connection.ended() => {}
        copied = copied => if let Err(error) = copied {
            tracing::debug!(%error, "a tunnel broke off");
        },
    }
    connection.end();
    drop(held);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use http::Request;
    use tokio::net::TcpListener;

    use super::*;

    fn tunnels(addresses: &[&str]) -> Tunnels {
        let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
        let look_up: LookUp = Arc::new(move |_| {
            let addresses = addresses.clone();
            Box::pin(std::future::ready(Ok(addresses)))
        });
        Tunnels::new(look_up, &ProxyMetrics::default())
    }

    fn to(host: &str, port: u16) -> OutsideAddress {
        format!("{host}:{port}").parse().unwrap()
    }

    #[tokio::test]
    async fn no_tunnel_leads_to_this_machine_by_a_name() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for address in ["127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"] {
            let tunnels = tunnels(&[address, "169.254.169.254"]);
            let opened = tunnels.connect(&to("rebound.example", port)).await;
            let kind = opened.map(drop).unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::PermissionDenied, "{address}");
        }
        let none = tunnels(&[]).connect(&to("nowhere.example", port)).await;
        assert_eq!(none.unwrap_err().kind(), io::ErrorKind::NotFound);
        // Whoever writes the address down means it.
        let opened = tunnels(&[]).connect(&to("127.0.0.1", port)).await;
        let opened = opened.unwrap();
        let (_, caller) = listener.accept().await.unwrap();
        assert_eq!(caller, opened.local_addr().unwrap(), "the first that came");
    }

    #[tokio::test]
    async fn tunnels_have_a_limit_and_whoever_asks_in_vain_keeps_no_place() {
        let tunnels = tunnels(&[]);
        let to = to("127.0.0.1", 9);
        let ask = async || {
            let (mut parts, ()) = Request::new(()).into_parts();
            tunnels.open(&to, &mut parts).await.map(drop)
        };
        for _ in 0..=MAX_TUNNELS {
            // No connection that could become one.
            assert_eq!(ask().await, Err(NoTunnel::NotSwitched));
        }
        let places = Arc::clone(&tunnels.places);
        let all = places.try_acquire_many_owned(u32::try_from(MAX_TUNNELS).unwrap());
        let all = all.unwrap();
        assert_eq!(ask().await, Err(NoTunnel::Full));
        drop(all);
        assert_eq!(ask().await, Err(NoTunnel::NotSwitched));
    }
}
