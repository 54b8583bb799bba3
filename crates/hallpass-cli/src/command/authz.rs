//! `hallpass authz`: external authorization for proxies.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use hallpass::{Hallpass, Settings};
use hallpass_gateway::{Authz, AuthzServer, AuthzSettings, Error, RunningAuthz};
use prometheus_client::registry::Registry;

use crate::logging::Log;
use crate::output::{Exit, Failure};
use crate::role::{self, Drain, Role, RoleArguments, RunningRole};
use crate::runtime;
use crate::settings::Everything;

/// How long questions under way may take at the end.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);

/// Decide about requests for Envoy, nginx, Traefik, Caddy and others that ask an authorization server
///
/// Verifies tokens and decides by the rules of the section `security`, about the request as its sender wrote it; gives back the verified
/// identity in headers and, where `authz.upstreams` asks for it, a token for the upstream. Without a section `authz` it listens on
/// 127.0.0.1:9191, and has health and metrics on 127.0.0.1:9192. Changed files, SIGHUP and documents in Nacos are taken while it runs; what
/// cannot be used changes nothing. SIGTERM makes readiness say 503, waits `drain-delay-seconds`, answers the questions
/// under way and stops; Ctrl-C does not wait, and a second signal ends at once.
#[derive(Args, Debug)]
pub(crate) struct AuthzCommand {
    #[command(flatten)]
    role: RoleArguments,
    /// Listen on this address, not on the configured one; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Answer Envoy by gRPC on this address, not on the configured one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    grpc_listen: Option<SocketAddr>,
    /// Have health and metrics on this address, not on the configured one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    management_listen: Option<SocketAddr>,
}

impl AuthzCommand {
    pub(crate) fn run(&self, log: &Log) -> Result<Exit, Failure> {
        runtime::serve(role::serve(self, log))?
    }

    /// The section `authz`, or its defaults; what the command line says wins over the configuration.
    fn settings(&self, everything: &Everything) -> AuthzSettings {
        let mut settings = everything.authz.clone().unwrap_or_default();
        if let Some(listen) = self.listen {
            settings.listen = listen;
        }
        if let Some(listen) = self.grpc_listen {
            settings.grpc_listen = Some(listen);
        }
        if let Some(listen) = self.management_listen {
            settings.management_listen = listen;
        }
        settings
    }
}

impl Role for AuthzCommand {
    type Running = RunningAuthz;

    fn arguments(&self) -> &RoleArguments {
        &self.role
    }

    fn service(&self, everything: &Everything) -> Settings {
        everything.service.clone()
    }

    async fn start(
        &self,
        hallpass: &Hallpass,
        everything: &Everything,
    ) -> Result<(RunningAuthz, Drain), Failure> {
        let authz = Authz {
            resource: hallpass.resource_server().build().map_err(Failure::usage)?,
            tokens: hallpass.tokens().clone(),
            encoded: everything.service.security.paths.allow_encoded,
            clock: hallpass.clock().clone(),
        };
        let settings = self.settings(everything);
        let running = AuthzServer::start(authz, &settings).await;
        let drain = Drain {
            delay: settings.drain_delay,
            limit: DRAIN_LIMIT,
        };
        Ok((running.map_err(role::failure)?, drain))
    }

    async fn check(&self, authz: &RunningAuthz, everything: &Everything) -> Result<(), Failure> {
        let settings = self.settings(everything);
        authz.check(&settings).await.map_err(role::failure)
    }

    async fn apply(
        &self,
        authz: &mut RunningAuthz,
        everything: &Everything,
    ) -> Result<(), Failure> {
        let encoded = everything.service.security.paths.allow_encoded;
        let settings = self.settings(everything);
        authz.apply(&settings, encoded).await.map_err(role::failure)
    }
}

impl RunningRole for RunningAuthz {
    fn greeting(&self) -> String {
        let (address, management) = (self.local_addr(), self.management_addr());
        let grpc = self.grpc_addr();
        let grpc = grpc.map_or_else(String::new, |at| format!("grpc     {at}\n"));
        format!(
            "envoy    path_prefix /authz/envoy\n\
             nginx    /authz/nginx\n\
             forward  /authz/forward\n\
             {grpc}health   http://{management}/health/ready\n\
             listening on {address}"
        )
    }

    fn register_metrics(&self, register: impl FnOnce(&mut Registry)) {
        Self::register_metrics(self, register);
    }

    async fn failed(&mut self) -> Error {
        Self::failed(self).await
    }

    fn begin_stopping(&self) {
        Self::begin_stopping(self);
    }

    async fn shutdown_within(self, limit: Duration) -> Result<(), Error> {
        Self::shutdown_within(self, limit).await
    }
}
