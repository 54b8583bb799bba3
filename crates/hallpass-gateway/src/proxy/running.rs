//! Watching, changing and stopping the gateway.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::select_all;
use hallpass_listen::RunningServer;
use hallpass_resource::EncodedCharacters;
use hallpass_tls::ServerTls;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;

use super::access_log::{self, AccessLog};
use super::draining::drain;
use super::pipeline::Proxy;
use super::plan::{Before, PlanParts, ProxyPlan};
use super::upstreams::ServiceMaker;
use crate::error::Error;
use crate::management::Management;
use crate::readiness::load_keys;
use crate::settings::gateway::GatewaySettings;
use crate::tls_files;

/// The section of the files.
pub(super) const TLS: &str = "gateway.tls";

/// A gateway that forwards requests. Dropping it cuts them off; [`shutdown_within`](Self::shutdown_within) lets them finish.
#[derive(Debug)]
pub struct RunningGateway {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) maker: ServiceMaker,
    pub(crate) tls: Option<ServerTls>,
    /// Those that it was started with, for what only a restart changes.
    pub(crate) settings: GatewaySettings,
    /// One an address, in the order of the settings.
    pub(crate) serving: Vec<RunningServer>,
    pub(crate) management: Management,
    pub(crate) monitored: RunningServer,
    /// Asks for the keys of the issuers, until they are there.
    pub(crate) keys: JoinHandle<()>,
}

impl RunningGateway {
    /// Where callers come in, in the order of the settings; the port that the system chose when port 0 was asked for.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<SocketAddr> {
        self.serving.iter().map(RunningServer::local_addr).collect()
    }

    /// Where health and metrics are.
    #[must_use]
    pub const fn management_addr(&self) -> SocketAddr {
        self.monitored.local_addr()
    }

    /// All metrics as `/metrics` serves them.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.management.text()
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
        settings: &GatewaySettings,
        encoded: EncodedCharacters,
    ) -> Result<(), Error> {
        let _plan = self.plan(settings, encoded, AccessLog::off())?;
        access_log::check(&settings.access_log).await?;
        tls_files::change(
            TLS,
            self.tls.as_ref(),
            settings.tls.as_ref(),
            ServerTls::check,
        )
        .await
    }

    /// Handles requests by `settings` from now on. Those under way go on by what they began with, no connection is closed, and what is known of the
    /// instances of a service goes on.
    ///
    /// Takes all but `listen`, `management.listen`, the limits of connections, and whether there is TLS at all, which need a restart: a changed one is
    /// named in the log and has no effect. The keys of issuers that are new to the resource server are fetched.
    ///
    /// # Errors
    /// [`Error::Tls`], [`Error::Upstream`], [`Error::NoRoutes`], [`Error::AccessLog`]; then nothing has changed.
    pub async fn apply(
        &mut self,
        settings: &GatewaySettings,
        encoded: EncodedCharacters,
    ) -> Result<(), Error> {
        let dropped = &self.proxy.metrics.access_log_dropped;
        let access_log = access_log::open(&settings.access_log, dropped).await?;
        let plan = self.plan(settings, encoded, access_log)?;
        tls_files::change(
            TLS,
            self.tls.as_ref(),
            settings.tls.as_ref(),
            ServerTls::apply,
        )
        .await?;
        self.say_what_needs_a_restart(settings);
        self.proxy.plan.store(Arc::new(plan));
        if self.keys.is_finished() {
            let readiness = Arc::clone(&self.proxy.readiness);
            let resources = vec![self.proxy.resource.clone()];
            self.keys = tokio::spawn(load_keys(resources, readiness));
        }
        Ok(())
    }

    fn plan(
        &self,
        settings: &GatewaySettings,
        encoded: EncodedCharacters,
        access_log: AccessLog,
    ) -> Result<ProxyPlan, Error> {
        let plan = self.proxy.plan.load();
        if settings.routes.is_empty() && plan.routes().next().is_some() {
            return Err(Error::NoRoutes);
        }
        let parts = PlanParts {
            maker: &self.maker,
            tokens: &self.proxy.tokens,
            resource: &self.proxy.resource,
        };
        let before = Before {
            services: Some(&plan.services),
            rates: Some(&plan.rates),
        };
        ProxyPlan::new(settings, encoded, parts, before, access_log)
    }

    fn say_what_needs_a_restart(&self, settings: &GatewaySettings) {
        let before = &self.settings;
        let changed = [
            ("gateway.listen", settings.listen != before.listen),
            (
                "gateway.management.listen",
                settings.management_listen != before.management_listen,
            ),
            (
                "gateway.management.hosts",
                settings.management_hosts != before.management_hosts,
            ),
            (
                "gateway.tls (added or removed)",
                settings.tls.is_some() != before.tls.is_some(),
            ),
            (
                "gateway.connections",
                settings.connections != before.connections,
            ),
            (
                "gateway.connections-per-address",
                settings.connections_per_address != before.connections_per_address,
            ),
            (
                "gateway.head-bytes",
                settings.head_bytes != before.head_bytes,
            ),
            ("gateway.streams", settings.streams != before.streams),
            (
                "gateway.drain-delay-seconds",
                settings.drain_delay != before.drain_delay,
            ),
            (
                "gateway.drain-limit-seconds",
                settings.drain_limit != before.drain_limit,
            ),
        ];
        for (key, _) in changed.into_iter().filter(|(_, has_changed)| *has_changed) {
            tracing::warn!(key, "a setting has changed that needs a restart");
        }
    }

    /// Waits until a part ends by itself, which is a fault. Use it in a `select!` beside the signals.
    pub async fn failed(&mut self) -> Error {
        let fronts = self.serving.iter_mut().map(|it| Box::pin(it.ended()));
        tokio::select! {
            _ended = select_all(fronts) => Error::TaskEnded { task: "accept loop" },
            () = self.monitored.ended() => Error::TaskEnded { task: "accept loop for health and metrics" },
        }
    }

    /// From now on `/health/ready` says 503, and everything else goes on.
    pub fn begin_stopping(&self) {
        self.proxy.readiness.begin_stopping();
    }

    /// Takes no new connections, lets the requests under way finish within `limit`, and ends. Connections that have become something else than HTTP, such
    /// as WebSockets, are ended at the limit.
    ///
    /// # Errors
    /// [`Error::TaskEnded`] when a part had ended by itself before.
    pub async fn shutdown_within(self, limit: Duration) -> Result<(), Error> {
        self.begin_stopping();
        self.keys.abort();
        let had_ended = drain(&self.proxy, self.serving, limit).await;
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
