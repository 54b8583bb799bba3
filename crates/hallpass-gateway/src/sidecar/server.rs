//! Starting the sidecar.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hallpass_client::AuthTokenService;
use hallpass_listen::{ConnectionPlaces, HttpServer, RunningServer};
use hallpass_resource::{DenialResponse, EncodedCharacters, ResourceServer};
use hallpass_tls::{ServerTls, TlsMetrics};
use hallpass_upstream::Network;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::Incoming;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::lent::{self, Lent};
use super::local::Services;
use super::running::{RunningSidecar, Side, TLS};
use super::warm;
use crate::error::Error;
use crate::management::{self, Management};
use crate::proxy::access_log::AccessLog;
use crate::proxy::metrics::ProxyMetrics;
use crate::proxy::parts::{Peer, ReplyBody};
use crate::proxy::pipeline::Proxy;
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
    /// [`Error::Listen`], [`Error::Tls`], [`Error::Upstream`].
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
        let breakers = BreakerMetrics::default();
        let maker = ServiceMaker {
            network: sidecar.network.clone(),
            metrics: ProxyMetrics::default(),
            breakers: breakers.clone(),
        };
        let readiness = Arc::new(Readiness::default());
        let lends = settings.inbound.as_ref().is_some_and(|it| it.lends_context);
        let lent = lends.then(|| Lent::new(clock));
        let start = Start {
            lent: lent.as_ref(),
            sidecar: &sidecar,
            maker: &maker,
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
        breakers.register(&mut registry);
        let ours = registry.sub_registry_with_prefix("hallpass");
        maker.metrics.register(ours);
        if tls.is_some() {
            tls_metrics.register(ours.sub_registry_with_prefix("sidecar"));
        }
        let management = Management::new(Arc::clone(&readiness), registry);
        let monitored = management::serve(monitored, &management)
            .map_err(failed_at(settings.management_listen))?;
        // Both have the same issuers.
        let keys = load_keys(sidecar.inbound.clone(), Arc::clone(&readiness));
        let warm = settings.outbound.as_ref();
        let warm = warm.map(|it| warm::keep(it, &sidecar.tokens, &readiness));
        Ok(RunningSidecar {
            keys: tokio::spawn(keys),
            warm: warm.unwrap_or_default(),
            readiness,
            inbound,
            outbound,
            maker,
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
    maker: &'a ServiceMaker,
    places: ConnectionPlaces,
}

impl Start<'_> {
    fn proxy(
        &self,
        resource: &ResourceServer,
        settings: &GatewaySettings,
    ) -> Result<Arc<Proxy>, Error> {
        let gateway = Gateway {
            resource: resource.clone(),
            tokens: self.sidecar.tokens.clone(),
            network: self.sidecar.network.clone(),
            encoded: self.sidecar.encoded,
        };
        // What was decided is in the audit log.
        let access_log = AccessLog::off();
        proxy(gateway, self.maker, settings, access_log).map(Arc::new)
    }

    async fn inbound(
        &self,
        settings: &InboundSettings,
        tls: Option<&ServerTls>,
    ) -> Result<Side, Error> {
        let proxy = self.proxy(&self.sidecar.inbound, &settings.as_gateway())?;
        let server = self.server(bind(settings.listen).await?);
        let (server, is_tls) = match tls {
            Some(tls) => (server.tls(tls.clone()), true),
            None => (server, false),
        };
        let (handling, lent) = (Arc::clone(&proxy), self.lent.cloned());
        let serving = server.serve(move |address| {
            let (proxy, peer) = (Arc::clone(&handling), Peer { address, is_tls });
            let lent = lent.clone();
            tower::service_fn(move |mut request: Request<Incoming>| {
                let proxy = Arc::clone(&proxy);
                // Nobody outside has a handle that means anything.
                let mut lease = match &lent {
                    Some(lent) => lent.lend(request.headers_mut()),
                    None => {
                        lent::strip(request.headers_mut());
                        None
                    }
                };
                async move {
                    let response = proxy.respond(peer, request).await;
                    if is_refused(&response)
                        && let Some(lease) = lease.take()
                    {
                        lease.end();
                    }
                    // Until the end of the response's body.
                    let held = response.map(|body| {
                        body.map_frame(move |frame| {
                            let _held = &lease;
                            frame
                        })
                    });
                    Ok::<_, Infallible>(held)
                }
            })
        });
        Ok(Side {
            proxy,
            serving: vec![serving.map_err(failed_at(settings.listen))?],
            services: Arc::default(),
            lent: None,
        })
    }

    async fn outbound(&self, settings: &OutboundSettings) -> Result<Side, Error> {
        let mut side = Side {
            proxy: self.proxy(&self.sidecar.outbound, &settings.as_gateway())?,
            serving: Vec::new(),
            services: Arc::new(ArcSwap::from_pointee(Services::new(settings))),
            lent: self.lent.cloned(),
        };
        let ports = settings.services.iter();
        let ports = ports.filter_map(|it| Some((it.listen?, Some(Arc::from(it.name.as_str())))));
        let proxy = settings.listen.map(|address| (address, None));
        for (address, of_port) in proxy.into_iter().chain(ports) {
            let server = self.server(bind(address).await?);
            let server = match settings.dangerous_listen_anywhere {
                true => server,
                false => server.admit(|address| address.to_canonical().is_loopback()),
            };
            let serving = side.serve_program(server, of_port);
            side.serving.push(serving.map_err(failed_at(address))?);
        }
        Ok(side)
    }

    fn server(&self, listener: TcpListener) -> HttpServer {
        HttpServer::new(listener)
            .places(self.places.clone())
            .metrics(self.maker.metrics.connections.clone())
            .strict_lines()
    }
}

impl Side {
    /// Serves the program beside it. `of_port`: the service whose port this is.
    fn serve_program(
        &self,
        server: HttpServer,
        of_port: Option<Arc<str>>,
    ) -> io::Result<RunningServer> {
        let (proxy, services) = (Arc::clone(&self.proxy), Arc::clone(&self.services));
        let lent = self.lent.clone();
        server.serve(move |address| {
            let (proxy, services) = (Arc::clone(&proxy), Arc::clone(&services));
            let (of_port, lent) = (of_port.clone(), lent.clone());
            tower::service_fn(move |request| {
                let (proxy, services) = (Arc::clone(&proxy), services.load_full());
                let (of_port, lent) = (of_port.clone(), lent.clone());
                async move {
                    let by = (of_port.as_deref(), lent.as_ref(), address);
                    let response = respond(&proxy, &services, by, request).await;
                    Ok::<_, Infallible>(response)
                }
            })
        })
    }
}

/// Whether the program has not seen the request: it was answered here, for a fault of its sender.
fn is_refused<B>(response: &Response<B>) -> bool {
    let told = response.extensions().get::<DenialResponse>();
    told.is_some_and(|told| told.status.is_client_error())
}

async fn respond(
    proxy: &Proxy,
    services: &Services,
    (of_port, lent, address): (Option<&str>, Option<&Lent>, SocketAddr),
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let (mut parts, body) = request.into_parts();
    if let Err(fault) = services.take(&mut parts, of_port, lent) {
        tracing::debug!(?fault, "a request of the program was refused");
        let refusal: Response<Bytes> = fault.response();
        return refusal.map(|body| Either::Right(Full::new(body)));
    }
    let peer = Peer {
        address,
        is_tls: false,
    };
    proxy.respond(peer, Request::from_parts(parts, body)).await
}
