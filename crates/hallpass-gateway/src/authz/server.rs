//! Starting external authorization.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use hallpass_client::AuthTokenService;
use hallpass_clock::Clock;
use hallpass_listen::{ConnectionLimits, HttpServer};
use hallpass_resource::{EncodedCharacters, ResourceServer};
use hallpass_tls::{ServerTls, TlsMetrics};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use super::core::{Core, load_keys};
use super::http;
use super::management::Management;
use super::metrics::AuthzMetrics;
use super::plan::Plan;
use super::running::RunningAuthz;
use super::tls_files;
use crate::error::Error;
use crate::settings::AuthzSettings;

/// Connections of the address for health and metrics.
const MANAGEMENT_CONNECTIONS: usize = 64;

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
        let tls = tls_files::load(settings.tls.as_ref(), &authz.clock, &tls_metrics).await?;
        let listener = bind(settings.listen).await?;
        let management_listener = bind(settings.management_listen).await?;
        let Authz {
            resource,
            tokens,
            encoded,
            clock,
        } = authz;
        let core = Arc::new(Core {
            plan: ArcSwap::from_pointee(Plan::new(settings, &tokens, encoded)),
            resource,
            tokens,
            clock,
            metrics: AuthzMetrics::default(),
            has_keys: AtomicBool::new(false),
            is_stopping: AtomicBool::new(false),
        });
        let mut registry = Registry::default();
        let ours = registry.sub_registry_with_prefix("hallpass");
        core.metrics.register(ours);
        if tls.is_some() {
            tls_metrics.register(ours.sub_registry_with_prefix("authz"));
        }
        let management = Management::new(Arc::clone(&core), registry);
        let serving =
            serve(listener, settings, tls.as_ref(), &core).map_err(|source| Error::Listen {
                address: settings.listen,
                source,
            })?;
        let monitored =
            serve_management(management_listener, &management).map_err(|source| Error::Listen {
                address: settings.management_listen,
                source,
            })?;
        Ok(RunningAuthz {
            keys: tokio::spawn(load_keys(Arc::clone(&core))),
            core,
            tls,
            settings: settings.clone(),
            serving,
            management,
            monitored,
        })
    }
}

fn serve(
    listener: TcpListener,
    settings: &AuthzSettings,
    tls: Option<&ServerTls>,
    core: &Arc<Core>,
) -> std::io::Result<hallpass_listen::RunningServer> {
    let connections = usize::try_from(settings.connections).unwrap_or(usize::MAX);
    let limits = ConnectionLimits {
        connections,
        // All connections come from a few proxies.
        connections_per_address: connections,
        head_bytes: settings.head_bytes,
        buffer_bytes: settings
            .head_bytes
            .max(ConnectionLimits::default().buffer_bytes),
        ..ConnectionLimits::default()
    };
    let trusted = Arc::clone(core);
    let mut server = HttpServer::new(listener)
        .limits(limits)
        .metrics(core.metrics.connections.clone())
        .admit(move |peer| {
            let is_trusted = trusted.plan.load().trusted_proxies.contains(peer);
            if !is_trusted {
                trusted.metrics.untrusted();
            }
            is_trusted
        });
    if let Some(tls) = tls {
        server = server.tls(tls.clone());
    }
    let core = Arc::clone(core);
    server.serve(move |peer| {
        let core = Arc::clone(&core);
        tower::service_fn(move |request| {
            let core = Arc::clone(&core);
            async move { Ok::<_, Infallible>(http::respond(core, peer.ip(), request).await) }
        })
    })
}

fn serve_management(
    listener: TcpListener,
    management: &Management,
) -> std::io::Result<hallpass_listen::RunningServer> {
    // The platform needs few, and both addresses share what the process may open.
    let limits = ConnectionLimits {
        connections: MANAGEMENT_CONNECTIONS,
        ..ConnectionLimits::default()
    };
    let management = management.clone();
    HttpServer::new(listener)
        .limits(limits)
        .serve(move |_peer| {
            let management = management.clone();
            tower::service_fn(move |request| {
                let response = management.respond(&request);
                std::future::ready(Ok::<_, Infallible>(response))
            })
        })
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| Error::Listen { address, source })
}
