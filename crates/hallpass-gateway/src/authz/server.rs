//! Starting external authorization.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use hallpass_client::AuthTokenService;
use hallpass_clock::Clock;
use hallpass_listen::{ConnectionLimits, ConnectionPlaces, HttpServer, RunningServer};
use hallpass_resource::{EncodedCharacters, ResourceServer};
use hallpass_tls::{ServerTls, TlsMetrics};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::core::Core;
use super::metrics::AuthzMetrics;
use super::plan::Plan;
use super::running::{RunningAuthz, TLS};
use super::{grpc, http, tenant};
use crate::error::Error;
use crate::management::{self, AskedHosts, Management};
use crate::readiness::Readiness;
use crate::said::Said;
use crate::settings::AuthzSettings;
use crate::tls_files;

/// What decisions are made by.
#[derive(Clone, Debug)]
pub struct Authz {
    /// Verifies callers and decides by route.
    pub resource: ResourceServer,
    /// Where tokens for upstreams come from.
    pub tokens: AuthTokenService,
    /// `security.paths.allow-encoded`: as the resource server has it.
    pub encoded: EncodedCharacters,
    /// The clock that all parts read.
    pub clock: Arc<dyn Clock>,
}

/// External authorization that is not listening yet.
#[derive(Clone, Copy, Debug)]
pub struct AuthzServer;

impl AuthzServer {
    /// Listens where `settings` say. The keys of the issuers are fetched in the background; readiness waits for them, and questions
    /// about tokens of an issuer without keys get 503.
    ///
    /// # Errors
    /// [`Error::Listen`], [`Error::Tls`].
    pub async fn start(authz: Authz, settings: &AuthzSettings) -> Result<RunningAuthz, Error> {
        let tls_metrics = TlsMetrics::default();
        let tls = tls_files::load(TLS, settings.tls.as_ref(), &authz.clock, &tls_metrics).await?;
        let listener = bind(settings.listen).await?;
        let grpc_listener = match settings.grpc_listen {
            Some(address) => Some((address, bind(address).await?)),
            None => None,
        };
        let management_listener = bind(settings.management_listen).await?;
        let core = Arc::new(core(authz, settings));
        let tenant = core.resource.tenant_header();
        tenant::announce(tenant.as_ref(), None);
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix("hallpass");
        core.metrics.register(ours);
        if tls.is_some() {
            tls_metrics.register(ours.sub_registry_with_prefix("authz"));
        }
        let hosts = AskedHosts::new(&settings.management_hosts, settings.management_listen);
        let management = Management::new(Arc::clone(&core.readiness), registry, hosts);
        let asked = Asked {
            core: &core,
            settings,
            tls: tls.as_ref(),
            places: ConnectionPlaces::new(
                usize::try_from(settings.connections).unwrap_or(usize::MAX),
            ),
        };
        let serving = asked.http(listener).map_err(failed_at(settings.listen))?;
        let grpc = match grpc_listener {
            Some((address, listener)) => Some(asked.grpc(listener).map_err(failed_at(address))?),
            None => None,
        };
        let monitored = management::serve(management_listener, &management)
            .map_err(failed_at(settings.management_listen))?;
        Ok(RunningAuthz {
            keys: core.fetch_keys(),
            core,
            tls,
            settings: settings.clone(),
            serving,
            grpc,
            management,
            monitored,
            tenant,
        })
    }
}

pub(super) fn core(authz: Authz, settings: &AuthzSettings) -> Core {
    let Authz {
        resource,
        tokens,
        encoded,
        clock,
    } = authz;
    Core {
        plan: ArcSwap::from_pointee(Plan::new(settings, &tokens, encoded)),
        resource,
        tokens,
        clock,
        said: Said::default(),
        metrics: AuthzMetrics::default(),
        readiness: Arc::new(Readiness::default()),
    }
}

/// Where proxies ask.
struct Asked<'a> {
    core: &'a Arc<Core>,
    settings: &'a AuthzSettings,
    tls: Option<&'a ServerTls>,
    /// For both protocols together.
    places: ConnectionPlaces,
}

impl Asked<'_> {
    fn http(&self, listener: TcpListener) -> io::Result<RunningServer> {
        let core = Arc::clone(self.core);
        self.server(listener).serve(move |peer| {
            let core = Arc::clone(&core);
            tower::service_fn(move |request| {
                let core = Arc::clone(&core);
                async move { Ok::<_, Infallible>(http::respond(core, peer.ip(), request).await) }
            })
        })
    }

    fn grpc(&self, listener: TcpListener) -> io::Result<RunningServer> {
        let core = Arc::clone(self.core);
        self.server(listener).serve(move |peer| {
            let core = Arc::clone(&core);
            tower::service_fn(move |request| {
                let core = Arc::clone(&core);
                async move { Ok::<_, Infallible>(grpc::respond(core, peer.ip(), request).await) }
            })
        })
    }

    fn server(&self, listener: TcpListener) -> HttpServer {
        let head_bytes = self.settings.head_bytes;
        let limits = ConnectionLimits {
            // All connections come from a few proxies.
            connections_per_address: self.places.count(),
            head_bytes,
            buffer_bytes: head_bytes.max(ConnectionLimits::default().buffer_bytes),
            ..ConnectionLimits::default()
        };
        let core = Arc::clone(self.core);
        let server = HttpServer::new(listener)
            .limits(limits)
            .places(self.places.clone())
            .metrics(self.core.metrics.connections.clone())
            .admit(move |peer| {
                let is_trusted = core.plan.load().trusted_proxies.contains(peer);
                if !is_trusted {
                    core.metrics.untrusted();
                }
                is_trusted
            });
        match self.tls {
            Some(tls) => server.tls(tls.clone()),
            None => server,
        }
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(failed_at(address))
}

fn failed_at(address: SocketAddr) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Listen { address, source }
}
