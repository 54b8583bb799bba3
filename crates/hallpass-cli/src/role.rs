//! What the servers have in common that stand beside a service's settings: how they start, follow their configuration, and end.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hallpass::Hallpass;
use hallpass::listen::{StopSignal, StopSignals, raise_descriptor_limit};
use hallpass::reload::Reloader;
use prometheus_client::registry::Registry;

use crate::logging::Log;
use crate::output::{self, Exit, Failure};
use crate::settings::{Everything, PrefixArgument};
use crate::supervisor;

/// Where the configuration of a server comes from, and how it is followed.
#[derive(Args, Clone, Debug)]
pub(crate) struct RoleArguments {
    /// YAML files with the configuration; later ones win. Without one, defaults and the environment.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(flatten)]
    prefix: PrefixArgument,
    /// How often the files of the configuration are compared with what was read of them.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    watch_seconds: u64,
}

/// A server of this executable.
pub(crate) trait Role {
    /// It, while it runs.
    type Running: RunningRole;

    /// Whence its configuration.
    fn arguments(&self) -> &RoleArguments;

    /// The settings of a service, as this server needs them.
    fn service(&self, everything: &Everything) -> hallpass::Settings;

    /// Starts it.
    async fn start(
        &self,
        hallpass: &Hallpass,
        everything: &Everything,
    ) -> Result<(Self::Running, Drain), Failure>;

    /// Whether [`apply`](Self::apply) would take these settings. What cannot be used must not be taken by half.
    async fn check(&self, running: &Self::Running, everything: &Everything) -> Result<(), Failure>;

    /// Takes these settings, which Hallpass has taken before.
    async fn apply(
        &self,
        running: &mut Self::Running,
        everything: &Everything,
    ) -> Result<(), Failure>;
}

/// A server of this executable that runs.
pub(crate) trait RunningRole {
    /// What it says on standard output when it listens.
    fn greeting(&self) -> String;

    /// Adds metrics to what it shows.
    fn register_metrics(&self, register: impl FnOnce(&mut Registry));

    /// Waits until a part ends by itself, which is a fault.
    async fn failed(&mut self) -> hallpass_gateway::Error;

    /// From now on it is not ready, and everything else goes on.
    fn begin_stopping(&self);

    /// Ends it.
    async fn shutdown_within(self, limit: Duration) -> Result<(), hallpass_gateway::Error>;
}

/// How a server ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drain {
    /// How long it goes on after SIGTERM while readiness says no.
    pub(crate) delay: Duration,
    /// How long what is under way may take then.
    pub(crate) limit: Duration,
}

/// What runs after the start.
struct Started<R> {
    reloader: Reloader,
    hallpass: Hallpass,
    running: R,
    drain: Drain,
}

/// Runs a server until a signal or a fault ends it.
pub(crate) async fn serve<R: Role>(role: &R, log: &Log) -> Result<Exit, Failure> {
    raise_descriptor_limit();
    // Handlers before the rest: a signal that comes during the start must not be lost.
    let mut stop = StopSignals::install()
        .map_err(|error| Failure::failed(format_args!("no signal handler: {error}")))?;
    let started = tokio::select! {
        _ = stop.received() => return Ok(Exit::Ok),
        started = start(role) => started?,
    };
    let Started {
        mut reloader,
        hallpass,
        mut running,
        drain,
    } = started;
    running.register_metrics(|registry| {
        hallpass.metrics().register(registry);
        log.register(registry);
    });
    // On a thread of its own: the reader of standard output may have stalled.
    let text = running.greeting();
    let mut greeted = tokio::task::spawn_blocking(move || output::print_line(&text));
    let mut is_greeted = false;
    supervisor::ready();
    let stopped_by = loop {
        tokio::select! {
            signal = stop.received() => break signal,
            written = &mut greeted, if !is_greeted => {
                is_greeted = true;
                written.map_err(Failure::failed)??;
            }
            () = reloader.changed() => tokio::select! {
                // A stop is heard at once, in the middle of a reload too.
                signal = stop.received() => break signal,
                () = reload(role, &mut reloader, &hallpass, &mut running) => {}
            },
            error = running.failed() => return Err(Failure::failed(error)),
        }
    };
    supervisor::stopping();
    running.begin_stopping();
    if stopped_by == StopSignal::Terminate {
        tokio::select! {
            () = tokio::time::sleep(drain.delay) => {}
            _ = stop.received() => {}
        }
    }
    tokio::select! {
        ended = running.shutdown_within(drain.limit) => ended.map_err(Failure::failed)?,
        // Who asks twice does not want to wait.
        _ = stop.received() => {}
    }
    Ok(Exit::Ok)
}

async fn start<R: Role>(role: &R) -> Result<Started<R::Running>, Failure> {
    let arguments = role.arguments();
    let (reloader, source) = source(arguments.prefix.loader_of(&arguments.config)).await?;
    let mut reloader = reloader.every(Duration::from_secs(arguments.watch_seconds));
    // On a thread of its own: the disk may have stalled, or a pipe, and a stop is heard meanwhile.
    let load = move || (reloader.load::<Everything>(), reloader);
    let loading = tokio::task::spawn_blocking(load).await;
    let (loaded, reloader) = loading.map_err(Failure::failed)?;
    let everything = loaded.map_err(Failure::usage)?.into_settings();
    let hallpass = source.hallpass(&role.service(&everything)).await?;
    let (running, drain) = role.start(&hallpass, &everything).await?;
    Ok(Started {
        reloader: reloader.count_in(hallpass.reload_metrics().clone()),
        hallpass,
        running,
        drain,
    })
}

async fn reload<R: Role>(
    role: &R,
    reloader: &mut Reloader,
    hallpass: &Hallpass,
    running: &mut R::Running,
) {
    let apply = async |everything: Everything| {
        // Looked at first: what cannot be used must not be taken by half.
        role.check(running, &everything).await?;
        let (hallpass, service) = (hallpass.clone(), role.service(&everything));
        // On a thread of its own: it reads the files of TLS, and the disk may have stalled, or it may be a pipe.
        let applied = tokio::task::spawn_blocking(move || hallpass.apply(&service)).await;
        applied.map_err(Failure::failed)?.map_err(Failure::usage)?;
        role.apply(running, &everything).await
    };
    supervisor::reloading();
    reloader.reload(apply).await;
    supervisor::ready();
}

/// Where the configuration comes from beside files, and services with it.
#[cfg(feature = "nacos")]
struct Source(hallpass::nacos::Nacos);

#[cfg(feature = "nacos")]
impl Source {
    async fn hallpass(&self, service: &hallpass::Settings) -> Result<Hallpass, Failure> {
        let builder = Hallpass::builder(service).nacos(&self.0);
        builder.start().await.map_err(not_started)
    }
}

/// With the documents in Nacos, where the section `nacos` names some.
#[cfg(feature = "nacos")]
async fn source(loader: hallpass::config::Loader) -> Result<(Reloader, Source), Failure> {
    use hallpass::nacos::{Nacos, NacosStartError};
    let nacos = Nacos::start(loader).await.map_err(|error| match error {
        NacosStartError::Settings(problems) => Failure::usage(problems),
        error => Failure::failed(error),
    })?;
    let reloader = nacos.reloader().map_err(Failure::failed)?;
    Ok((reloader, Source(nacos)))
}

#[cfg(not(feature = "nacos"))]
struct Source;

#[cfg(not(feature = "nacos"))]
impl Source {
    #[expect(clippy::unused_self, reason = "with Nacos there is something to ask")]
    async fn hallpass(&self, service: &hallpass::Settings) -> Result<Hallpass, Failure> {
        Hallpass::start(service).await.map_err(not_started)
    }
}

#[cfg(not(feature = "nacos"))]
async fn source(loader: hallpass::config::Loader) -> Result<(Reloader, Source), Failure> {
    let reloader = Reloader::new(loader).map_err(Failure::failed)?;
    Ok((reloader, Source))
}

/// What stands in the way of the parts: a certificate that is not given is no fault of the configuration.
fn not_started(error: hallpass::Error) -> Failure {
    match error {
        hallpass::Error::Certificates(_) => Failure::failed(error),
        error => Failure::usage(error),
    }
}

/// What a fault of a server is to the command line.
pub(crate) fn failure(error: hallpass_gateway::Error) -> Failure {
    match error.is_of_configuration() {
        true => Failure::usage(error),
        false => Failure::failed(error),
    }
}
