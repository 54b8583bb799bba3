//! Watching, changing and stopping the sidecar.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use hallpass_listen::RunningServer;
use hallpass_resource::{EncodedCharacters, ResourceServer};
use hallpass_tls::ServerTls;
use prometheus_client::registry::Registry;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

use super::local::Services;
use super::outbound::Outbound;
use super::side::Side;
use super::warm;
use crate::error::Error;
use crate::management::Management;
use crate::proxy::access_log::{self, AccessLog};
use crate::proxy::draining::drain;
use crate::proxy::plan::ProxyPlan;
use crate::readiness::{Readiness, load_keys};
use crate::settings::sidecar::{OutboundSettings, SidecarSettings};
use crate::tls_files;

/// The section of the files.
pub(super) const TLS: &str = "sidecar.inbound.tls";

/// A sidecar that works. Dropping it cuts its requests off; [`shutdown_within`](Self::shutdown_within) lets them finish.
#[derive(Debug)]
pub struct RunningSidecar {
    pub(super) inbound: Option<Side>,
    pub(super) outbound: Option<RunningOutbound>,
    pub(super) readiness: Arc<Readiness>,
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

/// The side that the program sends by.
pub(super) struct RunningOutbound {
    pub(super) outbound: Arc<Outbound>,
    pub(super) side: Side,
    /// To hosts that are no services. It serves nobody by itself.
    pub(super) outside: Side,
}

impl fmt::Debug for RunningOutbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningOutbound")
            .field("side", &self.side)
            .field("lent", &self.outbound.lent)
            .finish_non_exhaustive()
    }
}

/// Where the lines of a side go.
struct Logs {
    inbound: AccessLog,
    outbound: AccessLog,
}

/// Plans that can be taken.
struct Plans {
    inbound: Option<ProxyPlan>,
    outbound: Option<ProxyPlan>,
    outside: Option<ProxyPlan>,
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
        let serving = self.outbound.iter().flat_map(|it| &it.side.serving);
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
        let none = Logs {
            inbound: AccessLog::off(),
            outbound: AccessLog::off(),
        };
        let _plans = self.plans(settings, encoded, &none)?;
        access_log::check(&settings.access_log).await?;
        tls_files::change(TLS, self.tls.as_ref(), tls_of(settings), ServerTls::check).await
    }

    /// Handles requests by `settings` from now on. Those under way go on by what they began with, and no connection is closed.
    ///
    /// Takes all but addresses, whether a side is there at all, and whether there is TLS, which need a restart: a changed one is named in the log and has
    /// no effect.
    ///
    /// # Errors
    /// [`Error::Tls`], [`Error::Upstream`], [`Error::AccessLog`]; then nothing has changed.
    pub async fn apply(
        &mut self,
        settings: &SidecarSettings,
        encoded: EncodedCharacters,
    ) -> Result<(), Error> {
        let logs = Logs {
            inbound: log_of(self.inbound.as_ref(), settings).await?,
            outbound: log_of(self.outbound.as_ref().map(|it| &it.side), settings).await?,
        };
        let plans = self.plans(settings, encoded, &logs)?;
        tls_files::change(TLS, self.tls.as_ref(), tls_of(settings), ServerTls::apply).await?;
        self.say_what_needs_a_restart(settings);
        if let (Some(side), Some(plan)) = (&self.inbound, plans.inbound) {
            side.proxy.plan.store(Arc::new(plan));
        }
        if let (Some(running), Some(plan), Some(outside), Some(settings)) = (
            &self.outbound,
            plans.outbound,
            plans.outside,
            &settings.outbound,
        ) {
            let outbound = &running.outbound;
            outbound.hosts.set(&settings.pass_through);
            outbound.outside.plan.store(Arc::new(outside));
            outbound.proxy.plan.store(Arc::new(plan));
            outbound.services.store(Arc::new(Services::new(settings)));
            let tokens = &outbound.proxy.tokens;
            // The new ones first: at no moment does readiness wait for none of both.
            self.warm = warm::keep_on(settings, tokens, &self.readiness);
        }
        if self.keys.is_finished() {
            // Those of issuers that are new.
            let verifiers = verifiers(self.inbound.as_ref(), self.outbound.as_ref(), settings);
            let readiness = Arc::clone(&self.readiness);
            self.keys = tokio::spawn(load_keys(verifiers, readiness));
        }
        Ok(())
    }

    fn plans(
        &self,
        settings: &SidecarSettings,
        encoded: EncodedCharacters,
        logs: &Logs,
    ) -> Result<Plans, Error> {
        let mut plans = Plans {
            inbound: None,
            outbound: None,
            outside: None,
        };
        if let (Some(side), Some(settings)) = (&self.inbound, &settings.inbound) {
            let settings = settings.as_gateway();
            plans.inbound = Some(side.plan(&settings, encoded, logs.inbound.clone())?);
        }
        if let (Some(running), Some(settings)) = (&self.outbound, &settings.outbound) {
            let log = || logs.outbound.clone();
            let (side, outside) = (&running.side, &running.outside);
            plans.outbound = Some(side.plan(&settings.as_gateway(), encoded, log())?);
            let settings = settings.outside_as_gateway();
            plans.outside = Some(outside.plan(&settings, encoded, log())?);
        }
        Ok(plans)
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
                "sidecar.management.hosts",
                settings.management_hosts != before.management_hosts,
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
        let outbound = self.outbound.iter_mut().map(|it| &mut it.side);
        let sides = self.inbound.iter_mut().chain(outbound);
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
        let outbound = self.outbound.take().map(|it| it.side);
        let sides = [self.inbound.take(), outbound];
        for side in sides.into_iter().flatten() {
            let left = end.saturating_duration_since(Instant::now());
            had_ended |= drain(&side.proxy, side.serving, left).await;
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

/// Who needs the keys of the issuers: whoever verifies tokens.
pub(super) fn verifiers(
    inbound: Option<&Side>,
    outbound: Option<&RunningOutbound>,
    settings: &SidecarSettings,
) -> Vec<ResourceServer> {
    let takes_tokens = |it: &OutboundSettings| it.services.iter().any(|it| it.takes_token());
    let takes_tokens = settings.outbound.as_ref().is_some_and(takes_tokens);
    let outbound = outbound.map(|it| &it.side).filter(|_| takes_tokens);
    let sides = inbound.into_iter().chain(outbound);
    sides.map(|side| side.proxy.resource.clone()).collect()
}

/// Opened anew, for programs that rotate it.
async fn log_of(side: Option<&Side>, settings: &SidecarSettings) -> Result<AccessLog, Error> {
    match side {
        Some(side) => {
            let dropped = &side.maker.metrics.access_log_dropped;
            access_log::open(&settings.access_log, dropped).await
        }
        None => Ok(AccessLog::off()),
    }
}

fn tls_of(settings: &SidecarSettings) -> Option<&hallpass_tls::ServerTlsSettings> {
    settings.inbound.as_ref()?.tls.as_ref()
}
