//! `hallpass gateway`: the edge.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use hallpass::{Hallpass, Settings};
use hallpass_gateway::{Error, Gateway, GatewayServer, GatewaySettings, RunningGateway};
use prometheus_client::registry::Registry;

use crate::logging::Log;
use crate::output::{Exit, Failure};
use crate::role::{self, Drain, Role, RoleArguments, RunningRole};
use crate::runtime;
use crate::settings::Everything;

/// Verify who calls, and forward requests to the services of the estate
///
/// Routes of the section `gateway` say which requests go where and as whom: the caller's own token, one for the caller with this gateway as the actor,
/// one of the gateway's own, or none. Rules of `security`, and those in the routes, say who may call; without one a route is closed. Without a section
/// `gateway` it listens on 127.0.0.1:8080, and has health and metrics on 127.0.0.1:9901. Changed files, SIGHUP and documents in Nacos are taken while it
/// runs, and no connection is closed for it; what cannot be used changes nothing. SIGTERM makes readiness say 503, waits
/// `drain-delay-seconds`, finishes the requests under way within `drain-limit-seconds` and stops; Ctrl-C does not wait, and a second signal ends at once.
#[derive(Args, Debug)]
pub(crate) struct GatewayCommand {
    #[command(flatten)]
    role: RoleArguments,
    /// Listen on this address, not on the configured ones; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Have health and metrics on this address, not on the configured one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    management_listen: Option<SocketAddr>,
}

impl GatewayCommand {
    pub(crate) fn run(&self, log: &Log) -> Result<Exit, Failure> {
        runtime::serve(role::serve(self, log))?
    }

    /// The section `gateway`, or its defaults; what the command line says wins over the configuration.
    fn settings(&self, everything: &Everything) -> GatewaySettings {
        let mut settings = everything.gateway.clone().unwrap_or_default();
        if let Some(listen) = self.listen {
            settings.listen = vec![listen];
        }
        if let Some(listen) = self.management_listen {
            settings.management_listen = listen;
        }
        settings
    }
}

impl Role for GatewayCommand {
    type Running = RunningGateway;

    fn arguments(&self) -> &RoleArguments {
        &self.role
    }

    fn service(&self, everything: &Everything) -> Settings {
        everything.service_with_gateway()
    }

    async fn start(
        &self,
        hallpass: &Hallpass,
        everything: &Everything,
    ) -> Result<(RunningGateway, Drain), Failure> {
        let gateway = Gateway {
            resource: hallpass.resource_server().build().map_err(Failure::usage)?,
            tokens: hallpass.tokens().clone(),
            network: hallpass.network().clone(),
            encoded: everything.service.security.paths.allow_encoded,
        };
        let settings = self.settings(everything);
        let running = GatewayServer::start(gateway, &settings).await;
        let drain = Drain {
            delay: settings.drain_delay,
            limit: settings.drain_limit,
        };
        Ok((running.map_err(role::failure)?, drain))
    }

    async fn check(
        &self,
        gateway: &RunningGateway,
        everything: &Everything,
    ) -> Result<(), Failure> {
        let encoded = everything.service.security.paths.allow_encoded;
        let settings = self.settings(everything);
        let checked = gateway.check(&settings, encoded).await;
        checked.map_err(role::failure)
    }

    async fn apply(
        &self,
        gateway: &mut RunningGateway,
        everything: &Everything,
    ) -> Result<(), Failure> {
        let encoded = everything.service.security.paths.allow_encoded;
        let settings = self.settings(everything);
        let applied = gateway.apply(&settings, encoded).await;
        applied.map_err(role::failure)
    }
}

impl RunningRole for RunningGateway {
    fn greeting(&self) -> String {
        let listening = self.local_addrs().into_iter();
        let listening: Vec<_> = listening.map(|at| format!("listening on {at}")).collect();
        let management = self.management_addr();
        format!(
            "health   http://{management}/health/ready\n{}",
            listening.join("\n")
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
