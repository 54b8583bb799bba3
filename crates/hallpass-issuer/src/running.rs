//! Watching and stopping the issuer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_listen::{Drain, RunningServer};
use hallpass_tls::ServerTls;
use hallpass_token::UnixTime;
use prometheus_client::registry::Registry;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::admin::server::AdminServer;
use crate::audit::query::AuditLog;
use crate::core::Core;
use crate::deny_list::NewRevocations;
use crate::error::Error;
use crate::lockout_events;
use crate::settings::IssuerSettings;
use crate::tls_files::blocking;
use crate::token::throttle::lockouts::Lockout;

/// How long [`RunningIssuer::shutdown`] waits for requests in flight.
const DEFAULT_DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// How long the last audit events may take, then the store, when the rest has ended.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(1);

/// An issuer that serves requests. Dropping it cuts them off; [`shutdown`](Self::shutdown) lets them finish.
#[derive(Debug)]
pub struct RunningIssuer {
    pub(crate) core: Arc<Core>,
    pub(crate) tls: Option<ServerTls>,
    pub(crate) serving: RunningServer,
    /// Health and metrics, when they have an address of their own.
    pub(crate) management: Option<RunningServer>,
    /// The interface for administrators, when there is one.
    pub(crate) admin: Option<AdminServer>,
    /// Ends the audit writer, after the last request.
    pub(crate) stop: watch::Sender<bool>,
    pub(crate) audit: JoinHandle<()>,
    /// Follows the store and the time.
    pub(crate) store_watch: JoinHandle<()>,
}

impl RunningIssuer {
    /// Where it listens; the port that the system chose when port 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.serving.local_addr()
    }

    /// Where health and metrics are, when they have an address of their own.
    #[must_use]
    pub fn management_addr(&self) -> Option<SocketAddr> {
        self.management.as_ref().map(RunningServer::local_addr)
    }

    /// Where the interface for administrators is, when there is one.
    #[must_use]
    pub fn admin_addr(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(AdminServer::local_addr)
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer_name(&self) -> &str {
        self.core.issuer().as_str()
    }

    /// The URL of an endpoint as the metadata shows it, for example of `/oauth2/token`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.core.urls().endpoint(path)
    }

    /// The key set as it is served.
    #[must_use]
    pub fn jwks(&self) -> Bytes {
        let now = UnixTime::from(self.core.clock().now());
        self.core.keys().at(now).jwks().clone()
    }

    /// Tokens issued since the start.
    #[must_use]
    pub fn tokens_issued(&self) -> u64 {
        self.core.metrics().tokens.issued.get()
    }

    /// All metrics as `/metrics` serves them.
    #[must_use]
    pub fn metrics(&self) -> String {
        self.core.metrics().text()
    }

    /// Adds metrics of the program around the issuer to what `/metrics` serves, under their full names.
    pub fn register_metrics(&self, register: impl FnOnce(&mut Registry)) {
        self.core.metrics().add_named(register);
    }

    /// What is revoked from now on, by whomever.
    #[must_use]
    pub fn new_revocations(&self) -> NewRevocations {
        self.core.deny_list().follow_new()
    }

    /// The last audit events, for questions.
    #[must_use]
    pub fn audit_log(&self) -> AuditLog {
        self.core.audit().log().clone()
    }

    /// Clients and addresses that are told to wait at the moment, because too much has failed before; the newest first.
    #[must_use]
    pub fn lockouts(&self) -> Vec<Lockout> {
        let (throttle, now) = (
            self.core.authenticator().throttle(),
            self.core.clock().monotonic(),
        );
        throttle.lockouts().all(now)
    }

    /// Lets a client in again that is told to wait, from `source` alone if there is one; how many lockouts that has ended, each of which is an audit event.
    ///
    /// It takes nothing from what others may try: what the client itself, or somebody in its name, has failed at is forgotten, and from the addresses that
    /// were refused in its name every client may try again. Whoever still guesses is told to wait again after as many failures.
    pub fn unlock(&self, client_id: &str, source: Option<IpAddr>) -> usize {
        lockout_events::unlock(&self.core, client_id, source)
    }

    /// Statements that the store was asked since the start; issuing tokens adds none.
    #[must_use]
    pub fn store_queries(&self) -> u64 {
        self.core.store().queries()
    }

    /// Reads keys and clients again, from `settings` and from the store, and swaps them in between two requests.
    ///
    /// Takes `clients`, `trusted_issuers`, `audiences`, `token_life`, `algorithm`, `key_announce` and the files of `tls` from `settings`. The other settings need a restart: a changed one is
    /// named in the log and has no effect. Requests in flight go on with the snapshots that they began with.
    ///
    /// # Errors
    /// [`Error::Registration`], [`Error::Tls`] or an error of the store; the old snapshots then stay in use.
    ///
    /// ```
    /// # use std::{sync::Arc, time::Duration};
    /// # use hallpass_clock::SystemClock;
    /// # use hallpass_issuer::{IssuerServer, IssuerSettings};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let folder = tempfile::tempdir()?;
    /// let mut settings = IssuerSettings {
    ///     listen: "127.0.0.1:0".parse()?,
    ///     store: folder.path().join("issuer.db"),
    ///     ..IssuerSettings::default()
    /// };
    /// let issuer = IssuerServer::start(&settings, Arc::new(SystemClock::new())).await?;
    ///
    /// settings.token_life = Duration::from_secs(60);
    /// issuer.apply(&settings).await?;
    /// # issuer.shutdown().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn apply(&self, settings: &IssuerSettings) -> Result<(), Error> {
        let tls = self.tls.as_ref().zip(settings.tls.as_ref());
        // Looked at first: what cannot be used must not be taken by half.
        if let Some((tls, settings)) = tls {
            blocking(tls, settings, ServerTls::check).await?;
        }
        let admin_tls = settings.admin.as_ref().and_then(|it| it.tls.as_ref());
        if let Some(admin) = &self.admin {
            admin.check(admin_tls).await?;
        }
        self.core.apply(settings).await?;
        if let Some((tls, settings)) = tls {
            blocking(tls, settings, ServerTls::apply).await?;
        }
        if let Some(admin) = &self.admin {
            admin.apply(admin_tls).await?;
        }
        Ok(())
    }

    /// Waits until the issuer stops by itself, which is a fault. Use it in a `select!` beside the signals.
    ///
    /// Gives [`Error::TaskEnded`] with the task that ended; [`shutdown`](Self::shutdown) then still ends the rest.
    pub async fn failed(&mut self) -> Error {
        loop {
            // A handle that has given its result must not be polled again.
            if let Some(task) = self.ended_task() {
                return Error::TaskEnded { task };
            }
            let management = async {
                match &mut self.management {
                    Some(management) => management.ended().await,
                    None => std::future::pending().await,
                }
            };
            let admin = async {
                match &mut self.admin {
                    Some(admin) => admin.ended().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.serving.ended() => {}
                () = management => {}
                () = admin => {}
                _ = &mut self.audit => {}
                _ = &mut self.store_watch => {}
            }
        }
    }

    fn ended_task(&self) -> Option<&'static str> {
        if self.serving.has_ended() {
            Some("accept loop")
        } else if self
            .management
            .as_ref()
            .is_some_and(RunningServer::has_ended)
        {
            Some("accept loop for health and metrics")
        } else if self.admin.as_ref().is_some_and(AdminServer::has_ended) {
            Some("accept loop for administrators")
        } else if self.audit.is_finished() {
            Some("audit writer")
        } else if self.store_watch.is_finished() {
            Some("watch over the store")
        } else {
            None
        }
    }

    /// From now on `/health/ready` says 503, and everything else goes on: a load balancer needs some time to look
    /// elsewhere. `drain_delay` of the settings says how long to wait before [`shutdown`](Self::shutdown).
    pub fn begin_stopping(&self) {
        self.core.begin_stopping();
    }

    /// [`shutdown_within`](Self::shutdown_within) 10 seconds.
    ///
    /// # Errors
    /// As [`shutdown_within`](Self::shutdown_within).
    pub async fn shutdown(self) -> Result<(), Error> {
        self.shutdown_within(DEFAULT_DRAIN_LIMIT).await
    }

    /// Stops accepting, finishes requests in flight within `limit`, writes what is left of the audit log. Requests that
    /// still run at the limit end before the audit log does: nothing is issued that it does not have.
    ///
    /// It takes four seconds more than `limit` at most: a log that does not take the last events, or a store that does
    /// not close, is not waited for.
    ///
    /// # Errors
    /// [`Error::TaskEnded`] when a task had ended by itself before.
    pub async fn shutdown_within(self, limit: Duration) -> Result<(), Error> {
        self.core.begin_stopping();
        let ended = self.ended_task();
        let admin = async {
            match self.admin {
                Some(admin) => admin.shutdown_within(limit).await,
                None => Drain::Complete,
            }
        };
        let drains = tokio::join!(self.serving.shutdown_within(limit), admin);
        if <[Drain; 2]>::from(drains).contains(&Drain::CutOff) {
            tracing::warn!(
                limit_seconds = limit.as_secs(),
                "requests in flight were cut off at the drain limit"
            );
        }
        let _ = self.stop.send(true);
        let mut audit = self.audit;
        if !audit.is_finished() && timeout(LAST_WORDS_LIMIT, &mut audit).await.is_err() {
            audit.abort();
            tracing::warn!("the last audit events were not written: the log does not take them");
        }
        // It may be in the middle of a statement, and would take a store that is closed under it for a broken one.
        let watch = self.store_watch;
        watch.abort();
        let close = async {
            if !watch.is_finished() {
                let _cancelled = watch.await;
            }
            if let Err(error) = self.core.write_down_uses().await {
                tracing::warn!(%error, "which secrets and services were used last was not written down");
            }
            self.core.store().close().await;
        };
        if timeout(LAST_WORDS_LIMIT, close).await.is_err() {
            tracing::warn!("the store was not closed in time");
        }
        // Last, so that readiness says no until the end.
        if let Some(management) = self.management {
            management.shutdown_within(Duration::ZERO).await;
        }
        ended.map_or(Ok(()), |task| Err(Error::TaskEnded { task }))
    }
}

#[cfg(test)]
mod tests;
