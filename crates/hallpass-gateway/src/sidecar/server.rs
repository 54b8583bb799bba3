//! Starting the sidecar.

use std::sync::Arc;

use arc_swap::ArcSwap;
use hallpass_client::AuthTokenService;
use hallpass_listen::{ConnectionPlaces, HttpServer};
use hallpass_resource::{EncodedCharacters, ResourceServer};
use hallpass_tls::{ServerTls, TlsMetrics};
use hallpass_upstream::Network;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::inbound;
use super::lent::Lent;
use super::local::Services;
use super::outbound::Outbound;
use super::outside::{self, Hosts};
use super::running::{RunningOutbound, RunningSidecar, TLS, verifiers};
use super::side::{INBOUND_NAMES, OUTBOUND_NAMES, Side};
use super::tunnels::Tunnels;
use super::warm;
use crate::error::Error;
use crate::management::{self, AskedHosts, Management};
use crate::proxy::access_log::{self, AccessLog};
use crate::proxy::metrics::ProxyMetrics;
use crate::proxy::server::{Gateway, bind, failed_at, proxy};
use crate::proxy::upstreams::{BreakerMetrics, ServiceMaker};
use crate::readiness::{Readiness, load_keys};
use crate::settings::gateway::GatewaySettings;
use crate::settings::sidecar::{InboundSettings, OutboundSettings, SidecarSettings};
use crate::tls_files;

/// Connections of both sides together.
const CONNECTIONS: usize = 20_000;

/// What the sidecar works with.
#[derive(Clone, Debug)]
pub struct Sidecar {
    /// Verifies callers of the program and decides by route.
    pub inbound: ResourceServer,
    /// Verifies the tokens that the program passes on: of the settings that [`OutboundSettings::security`] gives.
    pub outbound: ResourceServer,
    /// Where tokens for other services come from.
    pub tokens: AuthTokenService,
    /// The way to the program and to the services, and the clock that all parts read.
    pub network: Network,
    /// `security.paths.allow-encoded`: as the resource server has it.
    pub encoded: EncodedCharacters,
}

/// A sidecar that is not listening yet.
#[derive(Clone, Copy, Debug)]
pub struct SidecarServer;

impl SidecarServer {
    /// Listens where `settings` say. Keys of issuers and the first tokens of this service are fetched in the background, and readiness waits for them.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Tls`], [`Error::Upstream`], [`Error::AccessLog`], [`Error::Transport`].
    pub async fn start(
        sidecar: Sidecar,
        settings: &SidecarSettings,
    ) -> Result<RunningSidecar, Error> {
        let tls_metrics = TlsMetrics::default();
        let inbound = settings.inbound.as_ref();
        let tls = inbound.and_then(|it| it.tls.as_ref());
        let clock = &sidecar.network.clock;
        let tls = tls_files::load(TLS, tls, clock, &tls_metrics).await?;
        let monitored = bind(settings.management_listen).await?;
        let readiness = Arc::new(Readiness::default());
        let lends = settings.inbound.as_ref().is_some_and(|it| it.lends_context);
        let lent = lends.then(|| Lent::new(clock));
        let start = Start {
            lent: lent.as_ref(),
            sidecar: &sidecar,
            settings,
            places: ConnectionPlaces::new(CONNECTIONS),
        };
        let inbound = match inbound {
            Some(settings) => Some(start.inbound(settings, tls.as_ref()).await?),
            None => None,
        };
        let outbound = match &settings.outbound {
            Some(settings) => Some(start.outbound(settings).await?),
            None => None,
        };
        let mut registry = Registry::default();
        if let Some(side) = &inbound {
            side.register(&mut registry, INBOUND_NAMES);
        }
        if let Some(outbound) = &outbound {
            outbound.side.register(&mut registry, OUTBOUND_NAMES);
        }
        if tls.is_some() {
            let ours = registry.sub_registry_with_prefix("hallpass");
            tls_metrics.register(ours.sub_registry_with_prefix("sidecar"));
        }
        let hosts = AskedHosts::new(&settings.management_hosts, settings.management_listen);
        let management = Management::new(Arc::clone(&readiness), registry, hosts);
        let monitored = management::serve(monitored, &management)
            .map_err(failed_at(settings.management_listen))?;
        let verifiers = verifiers(inbound.as_ref(), outbound.as_ref(), settings);
        let keys = load_keys(verifiers, Arc::clone(&readiness));
        let warm = settings.outbound.as_ref();
        let warm = warm.map(|it| warm::keep(it, &sidecar.tokens, &readiness));
        Ok(RunningSidecar {
            keys: tokio::spawn(keys),
            warm: warm.unwrap_or_default(),
            readiness,
            inbound,
            outbound,
            tls,
            settings: settings.clone(),
            management,
            monitored,
        })
    }
}

/// What both sides are made of.
struct Start<'a> {
    lent: Option<&'a Lent>,
    sidecar: &'a Sidecar,
    settings: &'a SidecarSettings,
    places: ConnectionPlaces,
}

impl Start<'_> {
    /// The services of a side, over this network.
    fn maker(&self, network: &Network) -> ServiceMaker {
        ServiceMaker {
            network: network.clone(),
            metrics: ProxyMetrics::default(),
            breakers: BreakerMetrics::default(),
        }
    }

    fn side(
        &self,
        resource: &ResourceServer,
        settings: &GatewaySettings,
        maker: ServiceMaker,
        access_log: AccessLog,
    ) -> Result<Side, Error> {
        let gateway = Gateway {
            resource: resource.clone(),
            tokens: self.sidecar.tokens.clone(),
            network: maker.network.clone(),
            encoded: self.sidecar.encoded,
        };
        Ok(Side {
            proxy: Arc::new(proxy(gateway, &maker, settings, access_log)?),
            maker,
            serving: Vec::new(),
        })
    }

    /// Where the lines of a side go.
    async fn log(&self, maker: &ServiceMaker) -> Result<AccessLog, Error> {
        let dropped = &maker.metrics.access_log_dropped;
        access_log::open(&self.settings.access_log, dropped).await
    }

    async fn inbound(
        &self,
        settings: &InboundSettings,
        tls: Option<&ServerTls>,
    ) -> Result<Side, Error> {
        let maker = self.maker(&self.sidecar.network);
        let resource = &self.sidecar.inbound;
        let log = self.log(&maker).await?;
        let mut side = self.side(resource, &settings.as_gateway(), maker, log)?;
        let server = self.server(bind(settings.listen).await?, &side);
        let (server, is_tls) = match tls {
            Some(tls) => (server.tls(tls.clone()), true),
            None => (server, false),
        };
        let serving = inbound::serve(&side.proxy, server, is_tls, self.lent);
        side.serving
            .push(serving.map_err(failed_at(settings.listen))?);
        Ok(side)
    }

    async fn outbound(&self, settings: &OutboundSettings) -> Result<RunningOutbound, Error> {
        let resource = &self.sidecar.outbound;
        let maker = self.maker(&self.sidecar.network);
        let look_up = outside::system();
        let hosts = Arc::new(Hosts::default());
        hosts.set(&settings.pass_through);
        let network = outside::network(&maker.network, &hosts, Arc::clone(&look_up))?;
        let outside_maker = ServiceMaker {
            network,
            ..maker.clone()
        };
        let gateway = settings.outside_as_gateway();
        let log = self.log(&maker).await?;
        let outside = self.side(resource, &gateway, outside_maker, log.clone())?;
        let mut side = self.side(resource, &settings.as_gateway(), maker, log)?;
        let outbound = Arc::new(Outbound {
            proxy: Arc::clone(&side.proxy),
            services: ArcSwap::from_pointee(Services::new(settings)),
            lent: self.lent.cloned(),
            outside: Arc::clone(&outside.proxy),
            hosts,
            tunnels: Tunnels::new(look_up, &side.maker.metrics),
        });
        let ports = settings.services.iter();
        let ports = ports.filter_map(|it| Some((it.listen?, Some(Arc::from(it.name.as_str())))));
        let proxy = settings.listen.map(|address| (address, None));
        for (address, of_port) in proxy.into_iter().chain(ports) {
            let server = self.server(bind(address).await?, &side);
            let server = match settings.dangerous_listen_anywhere {
                true => server,
                false => server.admit(|address| address.to_canonical().is_loopback()),
            };
            let serving = outbound.serve(server, of_port);
            side.serving.push(serving.map_err(failed_at(address))?);
        }
        Ok(RunningOutbound {
            outbound,
            side,
            outside,
        })
    }

    fn server(&self, listener: TcpListener, side: &Side) -> HttpServer {
        HttpServer::new(listener)
            .places(self.places.clone())
            .metrics(side.maker.metrics.connections.clone())
            .strict_lines()
    }
}
