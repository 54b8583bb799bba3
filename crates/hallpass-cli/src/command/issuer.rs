//! `hallpass issuer`: the authorization server.

mod notices;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Loader;
use hallpass::listen::{StopSignal, StopSignals, raise_descriptor_limit};
use hallpass::reload::Reloader;
use hallpass_issuer::{
    Error, FirstClient, IssuerServer, IssuerSettings, RunningIssuer, first_client,
};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;

use self::notices::Notices;
use crate::logging::Log;
use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::settings::{ConfigArguments, Everything};
use crate::supervisor;

/// Run the authorization server
///
/// Without a configuration it listens on 127.0.0.1:9000, keeps its store in the current folder, and
/// at its first start creates a client whose secret it prints once (not with `--no-first-client`). Clients, token life and
/// algorithm are taken from a changed file within seconds, and SIGHUP reads them and the keys of the
/// store at once; a file that cannot be used changes nothing. Documents in Nacos that the section
/// `nacos` names are followed alike. With a section `redis` it says there what is new on its deny-list, and instances share which proofs and assertions were used. SIGTERM makes readiness say 503, waits `drain-delay-seconds`,
/// finishes the requests in flight and stops; Ctrl-C does not wait, and a second signal ends at once.
/// With a section `issuer.admin` it serves `/admin/v1` for administrators on the address of
/// `issuer.admin.listen` too, which it says when it starts.
#[derive(Args, Debug)]
pub(crate) struct Issuer {
    #[command(flatten)]
    config: ConfigArguments,
    /// Listen on this address, not on the configured one; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Keep keys and clients in this file, not in the configured one.
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Never create a first client: its secret would stand in the log that standard output goes to.
    #[arg(long)]
    no_first_client: bool,
    /// How often the files of the configuration are compared with what was read of them.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    watch_seconds: u64,
}

impl Issuer {
    pub(crate) fn run(&self, log: &Log) -> Result<Exit, Failure> {
        runtime::block_on(self.serve(log))?
    }

    async fn serve(&self, log: &Log) -> Result<Exit, Failure> {
        raise_descriptor_limit();
        // Handlers before the rest: a signal that comes during the start must not be lost.
        let mut stop = StopSignals::install()
            .map_err(|error| Failure::failed(format_args!("no signal handler: {error}")))?;
        let started = tokio::select! {
            // A start may take long, with many secrets to hash: a stop is heard at once.
            _ = stop.received() => return Ok(Exit::Ok),
            started = self.start(log) => started?,
        };
        let Started {
            mut reloader,
            source_metrics,
            mut issuer,
            settings,
            notices,
        } = started;
        issuer.register_metrics(|registry| {
            reloader.metrics().register(registry);
            source_metrics(registry);
            notices.register(registry);
            log.register(registry);
        });
        // On a thread of its own: the reader of standard output may have stalled.
        let text = greeting(&issuer, &settings);
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
                    () = self.reload(&mut reloader, &issuer, &notices) => {}
                },
                error = issuer.failed() => return Err(Failure::failed(error)),
            }
        };
        supervisor::stopping();
        issuer.begin_stopping();
        if stopped_by == StopSignal::Terminate {
            tokio::select! {
                () = tokio::time::sleep(settings.drain_delay) => {}
                _ = stop.received() => {}
            }
        }
        tokio::select! {
            ended = async { (issuer.shutdown().await, log.finish().await) } => ended.0.map_err(Failure::failed)?,
            // Who asks twice does not want to wait.
            _ = stop.received() => {}
        }
        Ok(Exit::Ok)
    }

    async fn start(&self, log: &Log) -> Result<Started, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (reloader, source_metrics) = reloader(self.config.loader()).await?;
        let mut reloader = reloader.every(Duration::from_secs(self.watch_seconds));
        // On a thread of its own: the disk may have stalled, or a pipe, and a stop is heard meanwhile.
        let load = move || (reloader.load::<Everything>(), reloader);
        let loading = tokio::task::spawn_blocking(load).await;
        let (loaded, reloader) = loading.map_err(Failure::failed)?;
        let loaded = loaded.map_err(Failure::usage)?;
        let everything = loaded.into_settings();
        let notices = Notices::new(everything.service.redis.clone(), &clock)?;
        export(log, &everything, &clock)?;
        let settings = self.settings(everything)?;
        // Before the store is touched: a second issuer must not create a client whose secret is never shown.
        let listener = listen(settings.listen).await?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        if !self.no_first_client {
            create_first_client(&settings, &clock, address).await?;
        }
        let issuer = match notices.replay_store() {
            Some(shared) => IssuerServer::start_sharing(listener, &settings, clock, shared).await,
            None => IssuerServer::start_on(listener, &settings, clock).await,
        };
        let issuer = issuer.map_err(|error| Failure::issuer(&error))?;
        notices.announce(&issuer);
        Ok(Started {
            reloader,
            source_metrics,
            issuer,
            settings,
            notices,
        })
    }

    /// Hands the settings to the running issuer once more, and has clients and keys of the store read again.
    async fn reload(&self, reloader: &mut Reloader, issuer: &RunningIssuer, notices: &Notices) {
        let apply = async |everything: Everything| {
            notices.say_changed(&everything.service.redis);
            let settings = self.settings(everything)?;
            let applied = issuer.apply(&settings).await;
            applied.map_err(|error| not_taken(&error))
        };
        supervisor::reloading();
        reloader.reload(apply).await;
        supervisor::ready();
    }

    /// The issuer's settings; what the command line says wins over the configuration.
    fn settings(&self, everything: Everything) -> Result<IssuerSettings, Failure> {
        let context = &everything.service.context;
        let (sampled, trust_sampled) = (context.sampled, context.trust_sampled);
        let mut settings = self.config.issuer_of(everything)?;
        settings.sampled = sampled;
        settings.trust_sampled = trust_sampled;
        if let Some(listen) = self.listen {
            settings.listen = listen;
        }
        if let Some(store) = &self.store {
            settings.use_store_file(store);
        }
        Ok(settings)
    }
}

/// Begins to export spans, where the section `telemetry` names a collector; the section `tls` says whom to trust on the way there.
#[cfg(feature = "otlp")]
fn export(log: &Log, everything: &Everything, clock: &Arc<dyn Clock>) -> Result<(), Failure> {
    use hallpass::{Hallpass, Settings};
    let service = &everything.service;
    let Some(settings) = &service.telemetry.otlp else {
        return Ok(());
    };
    let way = Settings {
        tls: service.clone().beside_the_service().tls,
        ..Settings::default()
    };
    let way = Hallpass::from_settings(&way).map_err(Failure::usage)?;
    let name = service.service.name.as_deref().unwrap_or("hallpass-issuer");
    let started = log.otlp.start(settings, name, way.transport(), clock);
    started.map_err(Failure::failed)
}

#[cfg(not(feature = "otlp"))]
fn export(_: &Log, _: &Everything, _: &Arc<dyn Clock>) -> Result<(), Failure> {
    Ok(())
}

type RegisterMetrics = Box<dyn FnOnce(&mut Registry) + Send>;

/// What runs after the start.
struct Started {
    reloader: Reloader,
    /// Of what the configuration comes from, beside files.
    source_metrics: RegisterMetrics,
    issuer: RunningIssuer,
    settings: IssuerSettings,
    notices: Notices,
}

/// With the documents in Nacos, where the section `nacos` names some.
#[cfg(feature = "nacos")]
async fn reloader(loader: Loader) -> Result<(Reloader, RegisterMetrics), Failure> {
    use hallpass::nacos::{Nacos, NacosStartError};
    let nacos = Nacos::start(loader).await.map_err(|error| match error {
        NacosStartError::Settings(problems) => Failure::usage(problems),
        error => Failure::failed(error),
    })?;
    let reloader = nacos.reloader().map_err(Failure::failed)?;
    let metrics = nacos.metrics().clone();
    Ok((
        reloader,
        Box::new(move |registry| metrics.register(registry)),
    ))
}

#[cfg(not(feature = "nacos"))]
async fn reloader(loader: Loader) -> Result<(Reloader, RegisterMetrics), Failure> {
    let reloader = Reloader::new(loader).map_err(Failure::failed)?;
    Ok((reloader, Box::new(|_registry| {})))
}

/// Creates a client and shows its secret, when there is none at all.
async fn create_first_client(
    settings: &IssuerSettings,
    clock: &Arc<dyn Clock>,
    address: SocketAddr,
) -> Result<(), Failure> {
    let token_url = format!("{}://{address}/oauth2/token", scheme(settings));
    let (settings, clock) = (settings.clone(), Arc::clone(clock));
    // In a task of its own: the reader of standard output may have stalled, and a stop is heard meanwhile.
    let created = tokio::spawn(async move {
        let show = |created: &_| output::show_secret(&introduction(created, &token_url));
        first_client(&settings, &clock, show).await
    });
    let created = created.await.map_err(Failure::failed)?;
    created.map_err(|error| Failure::issuer(&error))?;
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| {
        Failure::failed(format_args!(
            "cannot listen on {address}: {error} (`--listen`, `issuer.listen`)"
        ))
    })
}

/// Why the running issuer did not take new settings. What stands in the way of good ones must not look like a fault in their file.
fn not_taken(error: &Error) -> Failure {
    match error {
        Error::StoreBusy { .. }
        | Error::StoreSlow { .. }
        | Error::StoreAway { .. }
        | Error::StoreOutcomeUnknown { .. }
        | Error::StoreReplaced { .. }
        | Error::StoreDamaged { .. }
        | Error::Store { .. } => Failure::failed(format_args!(
            "not for anything in the configuration: {error}"
        )),
        error => Failure::issuer(error),
    }
}

fn greeting(issuer: &RunningIssuer, settings: &IssuerSettings) -> String {
    let (address, scheme) = (issuer.local_addr(), scheme(settings));
    let health = issuer.management_addr();
    let health = health.map_or_else(String::new, |at| {
        format!("health   http://{at}/health/ready\n")
    });
    let admin = settings.admin.as_ref().zip(issuer.admin_addr());
    let admin = admin.map_or_else(String::new, |(admin, at)| {
        let scheme = if admin.tls.is_some() { "https" } else { "http" };
        format!("admin    {scheme}://{at}/admin/v1\n")
    });
    format!(
        "issuer   {}\n\
         tokens   {scheme}://{address}/oauth2/token\n\
         keys     {scheme}://{address}/oauth2/jwks\n\
         store    {}\n\
         {health}{admin}listening on {address}",
        issuer.issuer_name(),
        settings.store_name(),
    )
}

fn scheme(settings: &IssuerSettings) -> &'static str {
    match settings.tls {
        Some(_) => "https",
        None => "http",
    }
}

fn introduction(client: &FirstClient, token_url: &str) -> String {
    let FirstClient {
        client_id,
        client_secret,
        scope,
        audience,
        ..
    } = client;
    let secret = client_secret.expose();
    format!(
        "A first client was created. Its secret is shown this once:\n\n\
         \x20 client id      {client_id}\n\
         \x20 client secret  {secret}\n\
         \x20 scope          {scope}\n\
         \x20 audience       {audience}\n\n\
         Get a token:\n\n\
         \x20 curl -u {client_id}:{secret} -d grant_type=client_credentials \\\n\
         \x20   -d scope={scope} -d audience={audience} {token_url}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_is_in_the_way_is_not_a_fault_of_the_configuration() {
        let store = || "hallpass.db".to_owned();
        for error in [
            Error::StoreBusy { store: store() },
            Error::StoreReplaced { store: store() },
        ] {
            let said = not_taken(&error).to_string();
            let begin = "not for anything in the configuration: store hallpass.db";
            assert!(said.starts_with(begin), "{said}");
        }
        let of_clients = Error::ClientKeys {
            problem: "no such file".to_owned(),
        };
        assert!(!not_taken(&of_clients).to_string().contains("not for"));
    }
}
