//! Watching, changing and stopping the sidecar.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::future::{join_all, select_all};
use hallpass_client::AuthTokenService;
use hallpass_listen::{Drain, RunningServer};
use hallpass_resource::EncodedCharacters;
use hallpass_tls::ServerTls;
use prometheus_client::registry::Registry;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::lent::Lent;
use super::local::Services;
use super::warm;
use crate::error::Error;
use crate::management::Management;
use crate::proxy::access_log::AccessLog;
use crate::proxy::pipeline::Proxy;
use crate::proxy::plan::{Before, PlanParts, ProxyPlan};
use crate::proxy::upstreams::ServiceMaker;
use crate::readiness::Readiness;
use crate::settings::gateway::GatewaySettings;
use crate::settings::sidecar::{InboundSettings, OutboundSettings, SidecarSettings};
use crate::tls_files;

/// The section of the files.
pub(super) const TLS: &str = "sidecar.inbound.tls";

/// A sidecar that works. Dropping it cuts its requests off; [`shutdown_within`](Self::shutdown_within) lets them finish.
#[derive(Debug)]
pub struct RunningSidecar {
    pub(super) inbound: Option<Side>,
    pub(super) outbound: Option<Side>,
    pub(super) readiness: Arc<Readiness>,
    pub(super) maker: ServiceMaker,
    pub(super) tls: Option<ServerTls>,
    /// Those that it was started with, for what only a restart changes.
    pub(super) settings: SidecarSettings,
    pub(super) management: Management,
    pub(super) monitored: RunningServer,
    /// Asks for the keys of the issuers, until they are there.
    pub(super) keys: JoinHandle<()>,
    /// Have tokens there before they are asked for.
    pub(super) warm: JoinSet<()>,
}

/// One of its sides.
#[derive(Debug)]
pub(super) struct Side {
    pub(super) proxy: Arc<Proxy>,
    pub(super) serving: Vec<RunningServer>,
    /// Those that the program calls; of the side that callers come in by, none.
    pub(super) services: Arc<ArcSwap<Services>>,
    /// For whom the program works, by the handles that it was given.
    pub(super) lent: Option<Lent>,
}

impl Side {
    fn plan(
        &self,
        maker: &ServiceMaker,
        settings: &GatewaySettings,
        encoded: EncodedCharacters,
    ) -> Result<ProxyPlan, Error> {
        let plan = self.proxy.plan.load();
        let parts = PlanParts {
            maker,
            tokens: &self.proxy.tokens,
            resource: &self.proxy.resource,
        };
        let before = Before {
            services: Some(&plan.services),
            rates: None,
        };
        ProxyPlan::new(settings, encoded, parts, before, AccessLog::off())
    }
}

/// Plans that can be taken.
struct Plans {
    inbound: Option<ProxyPlan>,
    outbound: Option<ProxyPlan>,
}

impl RunningSidecar {
    /// Where callers of the program come in; the port that the system chose when port 0 was asked for.
    #[must_use]
    pub fn inbound_addr(&self) -> Option<SocketAddr> {
        let serving = self.inbound.as_ref()?.serving.first();
        serving.map(RunningServer::local_addr)
    }

    /// Where the program sends: the proxy, if there is one, then the ports of services in their order.
    #[must_use]
    pub fn outbound_addrs(&self) -> Vec<SocketAddr> {
        let serving = self.outbound.iter().flat_map(|it| &it.serving);
        serving.map(RunningServer::local_addr).collect()
    }

    /// Where health and metrics are.
    #[must_use]
    pub const fn management_addr(&self) -> SocketAddr {
        self.monitored.local_addr()
    }

    /// Adds metrics of the program around it to what `/metrics` serves, under their full names.
    pub fn register_metrics(&self, register: impl FnOnce(&mut Registry)) {
        self.management.add(register);
    }

    /// Whether [`apply`](Self::apply) would take these settings. Changes nothing.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub async fn check(
        &self,
        settings: &SidecarSettings,
        encoded: EncodedCharacters,
    ) -> Result<(), Error> {
        let _plans = self.plans(settings, encoded)?;
        tls_files::change(TLS, self.tls.as_ref(), tls_of(settings), ServerTls::check).await
    }

    /// Handles requests by `settings` from now on. Those under way go on by what they began with, and no connection is closed.
    ///
    /// Takes all but addresses, whether a side is there at all, and whether there is TLS, which need a restart: a changed one is named in the log and has
    /// no effect.
    ///
    /// # Errors
    /// [`Error::Tls`], [`Error::Upstream`]; then nothing has changed.
    pub async fn apply(
        &mut self,
        settings: &SidecarSettings,
        encoded: EncodedCharacters,
    ) -> Result<(), Error> {
        let plans = self.plans(settings, encoded)?;
        tls_files::change(TLS, self.tls.as_ref(), tls_of(settings), ServerTls::apply).await?;
        self.say_what_needs_a_restart(settings);
        if let (Some(side), Some(plan)) = (&self.inbound, plans.inbound) {
            side.proxy.plan.store(Arc::new(plan));
        }
        if let (Some(side), Some(plan), Some(outbound)) =
            (&self.outbound, plans.outbound, &settings.outbound)
        {
            side.proxy.plan.store(Arc::new(plan));
            side.services.store(Arc::new(Services::new(outbound)));
            let tokens: &AuthTokenService = &side.proxy.tokens;
            // The new ones first: at no moment does readiness wait for none of both.
            self.warm = warm::keep_on(outbound, tokens, &self.readiness);
        }
        Ok(())
    }

    fn plans(
        &self,
        settings: &SidecarSettings,
        encoded: EncodedCharacters,
    ) -> Result<Plans, Error> {
        let plan = |side: &Option<Side>, settings: Option<GatewaySettings>| match (side, settings) {
            (Some(side), Some(settings)) => side.plan(&self.maker, &settings, encoded).map(Some),
            _ => Ok(None),
        };
        let inbound = settings.inbound.as_ref().map(InboundSettings::as_gateway);
        let outbound = settings.outbound.as_ref().map(OutboundSettings::as_gateway);
        Ok(Plans {
            inbound: plan(&self.inbound, inbound)?,
            outbound: plan(&self.outbound, outbound)?,
        })
    }

    fn say_what_needs_a_restart(&self, settings: &SidecarSettings) {
        let before = &self.settings;
        let inbound = |it: &SidecarSettings| {
            let inbound = it.inbound.as_ref();
            inbound.map(|it| (it.listen, it.lends_context))
        };
        let has_tls = |it: &SidecarSettings| tls_of(it).is_some();
        let outbound = |it: &SidecarSettings| {
            it.outbound.as_ref().map(|it| {
                let ports = it.services.iter();
                let ports: Vec<_> = ports
                    .filter_map(|it| Some((it.name.clone(), it.listen?)))
                    .collect();
                (it.listen, ports, it.dangerous_listen_anywhere)
            })
        };
        let drains = |it: &SidecarSettings| (it.drain_delay, it.drain_limit);
        let changed = [
            (
                "sidecar.inbound.listen, sidecar.inbound.lend-context",
                inbound(settings) != inbound(before),
            ),
            (
                "sidecar.inbound.tls (added or removed)",
                has_tls(settings) != has_tls(before),
            ),
            (
                "sidecar.outbound (addresses)",
                outbound(settings) != outbound(before),
            ),
            (
                "sidecar.management.listen",
                settings.management_listen != before.management_listen,
            ),
            (
                "sidecar.drain-delay-seconds, sidecar.drain-limit-seconds",
                drains(settings) != drains(before),
            ),
        ];
        for (key, _) in changed.into_iter().filter(|(_, has_changed)| *has_changed) {
            tracing::warn!(key, "a setting has changed that needs a restart");
        }
    }

    /// Waits until a part ends by itself, which is a fault. Use it in a `select!` beside the signals.
    pub async fn failed(&mut self) -> Error {
        let sides = self.inbound.iter_mut().chain(&mut self.outbound);
        let fronts: Vec<_> = sides
            .flat_map(|side| &mut side.serving)
            .map(|it| Box::pin(it.ended()))
            .collect();
        tokio::select! {
            _ended = select_all(fronts) => Error::TaskEnded { task: "accept loop" },
            () = self.monitored.ended() => Error::TaskEnded { task: "accept loop for health and metrics" },
        }
    }

    /// From now on `/health/ready` says 503, and everything else goes on.
    pub fn begin_stopping(&self) {
        self.readiness.begin_stopping();
    }

    /// Takes no new connections, lets the requests under way finish within `limit`, and ends. What comes to the program ends first: until then it may call
    /// others.
    ///
    /// # Errors
    /// [`Error::TaskEnded`] when a part had ended by itself before.
    pub async fn shutdown_within(mut self, limit: Duration) -> Result<(), Error> {
        self.begin_stopping();
        self.keys.abort();
        let mut had_ended = false;
        // For both together: who stops the process waits no longer.
        let end = Instant::now() + limit;
        for side in [self.inbound.take(), self.outbound.take()]
            .into_iter()
            .flatten()
        {
            had_ended |= side.serving.iter().any(RunningServer::has_ended);
            let fronts = side.serving.into_iter();
            let left = end.saturating_duration_since(Instant::now());
            let drained = join_all(fronts.map(|it| it.shutdown_within(left))).await;
            if drained.contains(&Drain::CutOff) {
                tracing::warn!(
                    limit_seconds = limit.as_secs(),
                    "requests under way were cut off at the drain limit"
                );
            }
        }
        // Last, so that readiness says no until the end.
        self.monitored.shutdown_within(Duration::ZERO).await;
        match had_ended {
            true => Err(Error::TaskEnded {
                task: "accept loop",
            }),
            false => Ok(()),
        }
    }
}

fn tls_of(settings: &SidecarSettings) -> Option<&hallpass_tls::ServerTlsSettings> {
    settings.inbound.as_ref()?.tls.as_ref()
}
