//! Starting the gateway.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hallpass_client::AuthTokenService;
use hallpass_listen::{ConnectionLimits, ConnectionPlaces, HttpServer, RunningServer};
use hallpass_resource::{EncodedCharacters, ResourceServer};
use hallpass_tls::{ServerTls, TlsMetrics};
use hallpass_upstream::Network;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::access_log::{self, AccessLog};
use super::logout::LoggedOut;
use super::management::GatewayPages;
use super::metrics::ProxyMetrics;
use super::parts::Peer;
use super::pipeline::Proxy;
use super::plan::{Before, PlanParts, ProxyPlan};
use super::running::{RunningGateway, TLS};
use super::upstreams::{BreakerMetrics, ServiceMaker};
use crate::error::Error;
use crate::management::{self, AskedHosts, Management};
use crate::readiness::{Readiness, load_keys};
use crate::said::Said;
use crate::settings::gateway::GatewaySettings;
use crate::tls_files;

/// What the gateway works with.
#[derive(Clone, Debug)]
pub struct Gateway {
    /// Verifies callers and decides by route.
    pub resource: ResourceServer,
    /// Where tokens for upstreams come from.
    pub tokens: AuthTokenService,
    /// The way to the upstreams, and the clock that all parts read.
    pub network: Network,
    /// `security.paths.allow-encoded`: as the resource server has it.
    pub encoded: EncodedCharacters,
}

/// A gateway that is not listening yet.
#[derive(Clone, Copy, Debug)]
pub struct GatewayServer;

impl GatewayServer {
    /// Listens where `settings` say. The keys of the issuers are fetched in the background; readiness waits for them, and requests with tokens of an
    /// issuer without keys get 503.
    ///
    /// The rules of routes ([`GatewaySettings::routes`]) are not looked at: whoever makes the resource server gives them to it.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Tls`], [`Error::Upstream`], [`Error::AccessLog`].
    pub async fn start(
        gateway: Gateway,
        settings: &GatewaySettings,
    ) -> Result<RunningGateway, Error> {
        let tls_metrics = TlsMetrics::default();
        let clock = &gateway.network.clock;
        let tls = tls_files::load(TLS, settings.tls.as_ref(), clock, &tls_metrics).await?;
        let mut listeners = Vec::new();
        for address in &settings.listen {
            listeners.push((*address, bind(*address).await?));
        }
        let monitored = bind(settings.management_listen).await?;
        let breakers = BreakerMetrics::default();
        let maker = ServiceMaker {
            network: gateway.network.clone(),
            metrics: ProxyMetrics::default(),
            breakers: breakers.clone(),
        };
        let dropped = &maker.metrics.access_log_dropped;
        let access_log = access_log::open(&settings.access_log, dropped).await?;
        let proxy = Arc::new(proxy(gateway, &maker, settings, access_log)?);
        let mut registry = Registry::default();
        breakers.register(&mut registry, "hallpass_gateway_breaker_state");
        let ours = registry.sub_registry_with_prefix("hallpass");
        proxy
            .metrics
            .register(ours.sub_registry_with_prefix("gateway"));
        if tls.is_some() {
            tls_metrics.register(ours.sub_registry_with_prefix("gateway"));
        }
        let hosts = AskedHosts::new(&settings.management_hosts, settings.management_listen);
        let management = Management::new(Arc::clone(&proxy.readiness), registry, hosts)
            .with_pages(Arc::new(GatewayPages(Arc::clone(&proxy))));
        let front = Front {
            proxy: &proxy,
            settings,
            tls: tls.as_ref(),
            places: ConnectionPlaces::new(
                usize::try_from(settings.connections).unwrap_or(usize::MAX),
            ),
        };
        let mut serving = Vec::new();
        for (address, listener) in listeners {
            serving.push(front.serve(listener).map_err(failed_at(address))?);
        }
        let monitored = management::serve(monitored, &management)
            .map_err(failed_at(settings.management_listen))?;
        let resources = vec![proxy.resource.clone()];
        let keys = load_keys(resources, Arc::clone(&proxy.readiness));
        Ok(RunningGateway {
            keys: tokio::spawn(keys),
            proxy,
            maker,
            tls,
            settings: settings.clone(),
            serving,
            management,
            monitored,
        })
    }
}

pub(crate) fn proxy(
    gateway: Gateway,
    maker: &ServiceMaker,
    settings: &GatewaySettings,
    access_log: AccessLog,
) -> Result<Proxy, Error> {
    let Gateway {
        resource,
        tokens,
        network,
        encoded,
    } = gateway;
    let parts = PlanParts {
        maker,
        tokens: &tokens,
        resource: &resource,
    };
    let plan = ProxyPlan::new(settings, encoded, parts, Before::default(), access_log)?;
    Ok(Proxy {
        plan: ArcSwap::from_pointee(plan),
        resource,
        tokens,
        network,
        metrics: maker.metrics.clone(),
        readiness: Arc::new(Readiness::default()),
        logged_out: LoggedOut::default(),
        said: Said::default(),
    })
}

/// Where callers come in.
struct Front<'a> {
    proxy: &'a Arc<Proxy>,
    settings: &'a GatewaySettings,
    tls: Option<&'a ServerTls>,
    /// For all addresses together.
    places: ConnectionPlaces,
}

impl Front<'_> {
    fn serve(&self, listener: TcpListener) -> io::Result<RunningServer> {
        let (proxy, is_tls) = (Arc::clone(self.proxy), self.tls.is_some());
        self.server(listener).serve(move |address| {
            let (proxy, peer) = (Arc::clone(&proxy), Peer { address, is_tls });
            tower::service_fn(move |request| {
                let proxy = Arc::clone(&proxy);
                async move { Ok::<_, Infallible>(proxy.respond(peer, request).await) }
            })
        })
    }

    fn server(&self, listener: TcpListener) -> HttpServer {
        let (settings, defaults) = (self.settings, ConnectionLimits::default());
        let per_address = settings.connections_per_address;
        let limits = ConnectionLimits {
            connections_per_address: usize::try_from(per_address).unwrap_or(usize::MAX),
            head_bytes: settings.head_bytes,
            buffer_bytes: settings.head_bytes.max(defaults.buffer_bytes),
            streams: settings.streams,
            ..defaults
        };
        let server = HttpServer::new(listener)
            .strict_lines()
            .limits(limits)
            .places(self.places.clone())
            .metrics(self.proxy.metrics.connections.clone());
        match self.tls {
            Some(tls) => server.tls(tls.clone()),
            None => server,
        }
    }
}

pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(failed_at(address))
}

pub(crate) fn failed_at(address: SocketAddr) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Listen { address, source }
}
