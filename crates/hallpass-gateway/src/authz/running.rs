//! Watching, changing and stopping external authorization.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hallpass_listen::{Drain, RunningServer};
use hallpass_resource::EncodedCharacters;
use hallpass_tls::ServerTls;
use http::HeaderName;
use prometheus_client::registry::Registry;
use tokio::task::JoinHandle;

use super::core::Core;
use super::tenant;
use crate::error::Error;
use crate::management::Management;
use crate::settings::AuthzSettings;
use crate::tls_files;

/// The section of the files.
pub(super) const TLS: &str = "authz.tls";
/// How long [`RunningAuthz::shutdown`] waits for questions under way.
const DEFAULT_DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// External authorization that answers questions. Dropping it cuts them off; [`shutdown`](Self::shutdown) lets them finish.
#[derive(Debug)]
pub struct RunningAuthz {
    pub(crate) core: Arc<Core>,
    pub(crate) tls: Option<ServerTls>,
    /// Those that it was started with, for what only a restart changes.
    pub(crate) settings: AuthzSettings,
    pub(crate) serving: RunningServer,
    /// Where Envoy asks by gRPC.
    pub(crate) grpc: Option<RunningServer>,
    pub(crate) management: Management,
    pub(crate) monitored: RunningServer,
    /// The header of the tenant that proxies were last said to need.
    pub(crate) tenant: Option<HeaderName>,
    /// Asks for the keys of the issuers, until they are there.
    pub(crate) keys: JoinHandle<()>,
}

impl RunningAuthz {
    /// Where proxies ask; the port that the system chose when port 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.serving.local_addr()
    }

    /// Where Envoy asks by gRPC, if it can.
    #[must_use]
    pub fn grpc_addr(&self) -> Option<SocketAddr> {
        self.grpc.as_ref().map(RunningServer::local_addr)
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
    pub async fn check(&self, settings: &AuthzSettings) -> Result<(), Error> {
        tls_files::change(
            TLS,
            self.tls.as_ref(),
            settings.tls.as_ref(),
            ServerTls::check,
        )
        .await
    }

    /// Answers by `settings` from now on. Questions under way go on by what they began with.
    ///
    /// Takes `trusted_proxies`, `decision_timeout`, `sets_identity_headers`, `upstreams` and the files of `tls`. The
    /// others need a restart: a changed one is named in the log and has no effect. The keys of issuers that are new to the
    /// resource server are fetched.
    ///
    /// # Errors
    /// [`Error::Tls`]; then nothing has changed.
    pub async fn apply(
        &mut self,
        settings: &AuthzSettings,
        encoded: EncodedCharacters,
    ) -> Result<(), Error> {
        tls_files::change(
            TLS,
            self.tls.as_ref(),
            settings.tls.as_ref(),
            ServerTls::apply,
        )
        .await?;
        self.say_what_needs_a_restart(settings);
        self.core.apply(settings, encoded);
        let tenant = self.core.resource.tenant_header();
        tenant::announce(tenant.as_ref(), self.tenant.as_ref());
        self.tenant = tenant;
        if self.keys.is_finished() {
            self.keys = self.core.fetch_keys();
        }
        Ok(())
    }

    fn say_what_needs_a_restart(&self, settings: &AuthzSettings) {
        let before = &self.settings;
        let changed = [
            ("authz.listen", settings.listen != before.listen),
            (
                "authz.grpc-listen",
                settings.grpc_listen != before.grpc_listen,
            ),
            (
                "authz.management.listen",
                settings.management_listen != before.management_listen,
            ),
            (
                "authz.management.hosts",
                settings.management_hosts != before.management_hosts,
            ),
            (
                "authz.tls (added or removed)",
                settings.tls.is_some() != before.tls.is_some(),
            ),
            (
                "authz.connections",
                settings.connections != before.connections,
            ),
            ("authz.head-bytes", settings.head_bytes != before.head_bytes),
            (
                "authz.drain-delay-seconds",
                settings.drain_delay != before.drain_delay,
            ),
        ];
        for (key, _) in changed.into_iter().filter(|(_, has_changed)| *has_changed) {
            tracing::warn!(key, "a setting has changed that needs a restart");
        }
    }

    /// Waits until a part ends by itself, which is a fault. Use it in a `select!` beside the signals.
    pub async fn failed(&mut self) -> Error {
        let grpc = async {
            match &mut self.grpc {
                Some(grpc) => grpc.ended().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = grpc => Error::TaskEnded { task: "accept loop for gRPC" },
            () = self.serving.ended() => Error::TaskEnded { task: "accept loop" },
            () = self.monitored.ended() => Error::TaskEnded { task: "accept loop for health and metrics" },
        }
    }

    /// From now on `/health/ready` says 503, and everything else goes on.
    pub fn begin_stopping(&self) {
        self.core.readiness.begin_stopping();
    }

    /// [`shutdown_within`](Self::shutdown_within) 10 seconds.
    ///
    /// # Errors
    /// As [`shutdown_within`](Self::shutdown_within).
    pub async fn shutdown(self) -> Result<(), Error> {
        self.shutdown_within(DEFAULT_DRAIN_LIMIT).await
    }

    /// Takes no new connections, answers the questions under way within `limit`, and ends.
    ///
    /// # Errors
    /// [`Error::TaskEnded`] when a part had ended by itself before.
    pub async fn shutdown_within(self, limit: Duration) -> Result<(), Error> {
        self.begin_stopping();
        self.keys.abort();
        let had_ended = self.serving.has_ended();
        let grpc = async {
            match self.grpc {
                Some(grpc) => grpc.shutdown_within(limit).await,
                None => Drain::Complete,
            }
        };
        let (http, grpc) = tokio::join!(self.serving.shutdown_within(limit), grpc);
        if [http, grpc].contains(&Drain::CutOff) {
            tracing::warn!(
                limit_seconds = limit.as_secs(),
                "questions under way were cut off at the drain limit"
            );
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
