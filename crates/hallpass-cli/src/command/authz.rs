//! `hallpass authz`: external authorization for proxies.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hallpass::Hallpass;
use hallpass::listen::{StopSignal, StopSignals, raise_descriptor_limit};
use hallpass::reload::Reloader;
use hallpass_gateway::{Authz, AuthzServer, AuthzSettings, RunningAuthz};

use crate::logging::Log;
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::settings::{Everything, PrefixArgument};

/// Decide about requests for Envoy, nginx, Traefik, Caddy and others that ask an authorization server
///
/// Verifies tokens and decides by the rules of the section `security`, about the request as its sender wrote it; gives back the verified
/// identity in headers and, where `authz.upstreams` asks for it, a token for the upstream. Without a section `authz` it listens on
/// 127.0.0.1:9191, and has health and metrics on 127.0.0.1:9192. Changed files, SIGHUP and documents in Nacos are taken while it runs; what
/// cannot be used changes nothing. SIGTERM makes readiness say 503, waits `drain-delay-seconds`, answers the questions
/// under way and stops; Ctrl-C does not wait, and a second signal ends at once.
#[derive(Args, Debug)]
pub(crate) struct AuthzCommand {
    /// YAML files with the configuration; later ones win. Without one, defaults and the environment.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    #[command(flatten)]
    prefix: PrefixArgument,
    /// Listen on this address, not on the configured one; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Answer Envoy by gRPC on this address, not on the configured one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    grpc_listen: Option<SocketAddr>,
    /// Have health and metrics on this address, not on the configured one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    management_listen: Option<SocketAddr>,
    /// How often the files of the configuration are compared with what was read of them.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    watch_seconds: u64,
}

/// What runs after the start.
struct Started {
    reloader: Reloader,
    hallpass: Hallpass,
    authz: RunningAuthz,
    drain_delay: Duration,
}

impl AuthzCommand {
    pub(crate) fn run(&self, log: &Log) -> Result<Exit, Failure> {
        runtime::block_on(self.serve(log))?
    }

    async fn serve(&self, log: &Log) -> Result<Exit, Failure> {
        raise_descriptor_limit();
        // Handlers before the rest: a signal that comes during the start must not be lost.
        let mut stop = StopSignals::install()
            .map_err(|error| Failure::failed(format_args!("no signal handler: {error}")))?;
        let started = tokio::select! {
            _ = stop.received() => return Ok(Exit::Ok),
            started = self.start() => started?,
        };
        let Started {
            mut reloader,
            hallpass,
            mut authz,
            drain_delay,
        } = started;
        authz.register_metrics(|registry| {
            hallpass.metrics().register(registry);
            log.register(registry);
        });
        // On a thread of its own: the reader of standard output may have stalled.
        let text = greeting(&authz);
        let mut greeted = tokio::task::spawn_blocking(move || output::print_line(&text));
        let mut is_greeted = false;
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
                    () = self.reload(&mut reloader, &hallpass, &mut authz) => {}
                },
                error = authz.failed() => return Err(Failure::failed(error)),
            }
        };
        authz.begin_stopping();
        if stopped_by == StopSignal::Terminate {
            tokio::select! {
                () = tokio::time::sleep(drain_delay) => {}
                _ = stop.received() => {}
            }
        }
        tokio::select! {
            ended = authz.shutdown() => ended.map_err(Failure::failed)?,
            // Who asks twice does not want to wait.
            _ = stop.received() => {}
        }
        Ok(Exit::Ok)
    }

    async fn start(&self) -> Result<Started, Failure> {
        let (reloader, source) = source(self.prefix.loader_of(&self.config)).await?;
        let mut reloader = reloader.every(Duration::from_secs(self.watch_seconds));
        // On a thread of its own: the disk may have stalled, or a pipe, and a stop is heard meanwhile.
        let load = move || (reloader.load::<Everything>(), reloader);
        let loading = tokio::task::spawn_blocking(load).await;
        let (loaded, reloader) = loading.map_err(Failure::failed)?;
        let everything = loaded.map_err(Failure::usage)?.into_settings();
        let hallpass = source.hallpass(&everything)?;
        let resource = hallpass.resource_server().build().map_err(Failure::usage)?;
        let authz = Authz {
            resource,
            tokens: hallpass.tokens().clone(),
            encoded: everything.service.security.paths.allow_encoded,
            clock: hallpass.clock().clone(),
        };
        let settings = self.settings(&everything);
        let running = AuthzServer::start(authz, &settings)
            .await
            .map_err(failure)?;
        Ok(Started {
            reloader: reloader.count_in(hallpass.reload_metrics().clone()),
            hallpass,
            authz: running,
            drain_delay: settings.drain_delay,
        })
    }

    async fn reload(&self, reloader: &mut Reloader, hallpass: &Hallpass, authz: &mut RunningAuthz) {
        let apply = async |everything: Everything| {
            let settings = self.settings(&everything);
            // Looked at first: what cannot be used must not be taken by half.
            authz.check(&settings).await.map_err(failure)?;
            hallpass
                .apply(&everything.service)
                .map_err(Failure::usage)?;
            let encoded = everything.service.security.paths.allow_encoded;
            authz.apply(&settings, encoded).await.map_err(failure)
        };
        reloader.reload(apply).await;
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

/// Where the configuration comes from beside files, and services with it.
#[cfg(feature = "nacos")]
struct Source(hallpass::nacos::Nacos);

#[cfg(feature = "nacos")]
impl Source {
    fn hallpass(&self, everything: &Everything) -> Result<Hallpass, Failure> {
        let builder = Hallpass::builder(&everything.service).nacos(&self.0);
        builder.build().map_err(Failure::usage)
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
    fn hallpass(&self, everything: &Everything) -> Result<Hallpass, Failure> {
        Hallpass::from_settings(&everything.service).map_err(Failure::usage)
    }
}

#[cfg(not(feature = "nacos"))]
async fn source(loader: hallpass::config::Loader) -> Result<(Reloader, Source), Failure> {
    let reloader = Reloader::new(loader).map_err(Failure::failed)?;
    Ok((reloader, Source))
}

fn failure(error: hallpass_gateway::Error) -> Failure {
    match error.is_of_configuration() {
        true => Failure::usage(error),
        false => Failure::failed(error),
    }
}

fn greeting(authz: &RunningAuthz) -> String {
    let (address, management) = (authz.local_addr(), authz.management_addr());
    let grpc = authz.grpc_addr();
    let grpc = grpc.map_or_else(String::new, |at| format!("grpc     {at}\n"));
    format!(
        "envoy    path_prefix /authz/envoy\n\
         nginx    /authz/nginx\n\
         forward  /authz/forward\n\
         {grpc}health   http://{management}/health/ready\n\
         listening on {address}"
    )
}
