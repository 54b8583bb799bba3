//! `hallpass sidecar`: a proxy beside one program.

use std::time::Duration;

use clap::Args;
use hallpass::resource::{ResourceServer, SecuritySettings};
use hallpass::{Hallpass, Settings};
use hallpass_gateway::{Error, RunningSidecar, Sidecar, SidecarServer, SidecarSettings};
use prometheus_client::registry::Registry;

use crate::logging::Log;
use crate::output::{Exit, Failure};
use crate::role::{self, Drain, Role, RoleArguments, RunningRole};
use crate::runtime;
use crate::settings::Everything;

/// The realm of challenges when `service.name` is not set.
const UNNAMED: &str = "service";

/// Verify who calls the program beside it, and give its calls an identity
///
/// `sidecar.inbound` verifies callers by the rules of `security` and forwards to the program on loopback, with headers that say who calls. The program
/// calls other services by `sidecar.outbound`, as an HTTP proxy (`HTTP_PROXY`) or by a port for each: the sidecar adds the token of this service, or
/// exchanges the user's token that the program passes on. The program needs no word of authentication. Health and metrics are on 127.0.0.1:9902. Changed
/// files, SIGHUP and documents in Nacos are taken while it runs. SIGTERM makes readiness say 503, waits `drain-delay-seconds`, finishes the requests under
/// way within `drain-limit-seconds` and stops; Ctrl-C does not wait, and each further signal ends one of these waits.
#[derive(Args, Debug)]
pub(crate) struct SidecarCommand {
    #[command(flatten)]
    role: RoleArguments,
}

impl SidecarCommand {
    pub(crate) fn run(&self, log: &Log) -> Result<Exit, Failure> {
        runtime::serve(role::serve(self, log))?
    }
}

/// A sidecar with what is changed beside it.
pub(crate) struct RunningBeside {
    sidecar: RunningSidecar,
    /// Verifies what the program passes on.
    outbound: ResourceServer,
}

impl Role for SidecarCommand {
    type Running = RunningBeside;

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
    ) -> Result<(RunningBeside, Drain), Failure> {
        let settings = settings(everything)?;
        let name = everything.service.service.name.as_deref();
        let outbound = ResourceServer::from_settings(
            &outbound_security(settings, everything),
            name.unwrap_or(UNNAMED),
            hallpass.network(),
        );
        let outbound = outbound.build().map_err(Failure::usage)?;
        let sidecar = Sidecar {
            inbound: hallpass.resource_server().build().map_err(Failure::usage)?,
            outbound: outbound.clone(),
            tokens: hallpass.tokens().clone(),
            network: hallpass.network().clone(),
            encoded: everything.service.security.paths.allow_encoded,
        };
        let running = SidecarServer::start(sidecar, settings).await;
        let drain = Drain {
            delay: settings.drain_delay,
            limit: settings.drain_limit,
        };
        let sidecar = running.map_err(role::failure)?;
        Ok((RunningBeside { sidecar, outbound }, drain))
    }

    async fn check(&self, running: &RunningBeside, everything: &Everything) -> Result<(), Failure> {
        let encoded = everything.service.security.paths.allow_encoded;
        let settings = settings(everything)?;
        let security = outbound_security(settings, everything);
        running.outbound.check(&security).map_err(Failure::usage)?;
        let checked = running.sidecar.check(settings, encoded).await;
        checked.map_err(role::failure)
    }

    async fn apply(
        &self,
        running: &mut RunningBeside,
        everything: &Everything,
    ) -> Result<(), Failure> {
        let encoded = everything.service.security.paths.allow_encoded;
        let settings = settings(everything)?;
        let security = outbound_security(settings, everything);
        // Before its routes: one more service must not be open for a moment.
        running.outbound.apply(&security).map_err(Failure::usage)?;
        let applied = running.sidecar.apply(settings, encoded).await;
        applied.map_err(role::failure)
    }
}

fn settings(everything: &Everything) -> Result<&SidecarSettings, Failure> {
    let settings = everything.sidecar.as_ref();
    settings.ok_or_else(|| {
        Failure::usage("there is no section `sidecar` that says what is forwarded, and where")
    })
}

fn outbound_security(settings: &SidecarSettings, everything: &Everything) -> SecuritySettings {
    let security = &everything.service.security;
    match &settings.outbound {
        Some(outbound) => outbound.security(security),
        None => SecuritySettings::default(),
    }
}

impl RunningRole for RunningBeside {
    fn greeting(&self) -> String {
        let mut lines = vec![format!(
            "health   http://{}/health/ready",
            self.sidecar.management_addr()
        )];
        if let Some(inbound) = self.sidecar.inbound_addr() {
            lines.push(format!("inbound  {inbound}"));
        }
        for outbound in self.sidecar.outbound_addrs() {
            lines.push(format!("outbound {outbound}"));
        }
        lines.join("\n")
    }

    fn register_metrics(&self, register: impl FnOnce(&mut Registry)) {
        self.sidecar.register_metrics(register);
    }

    async fn failed(&mut self) -> Error {
        self.sidecar.failed().await
    }

    fn begin_stopping(&self) {
        self.sidecar.begin_stopping();
    }

    async fn shutdown_within(self, limit: Duration) -> Result<(), Error> {
        self.sidecar.shutdown_within(limit).await
    }
}
