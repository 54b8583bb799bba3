//! `hallpass issuer`: the authorization server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hallpass::clock::{Clock, SystemClock};
use hallpass::reload::Reloader;
use hallpass_issuer::{FirstClient, IssuerServer, IssuerSettings, RunningIssuer, first_client};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::settings::{ConfigArguments, Everything};

/// Run the authorization server
///
/// Without a configuration it listens on 127.0.0.1:9000, keeps its store in the current folder, and
/// at its first start creates a client whose secret it prints once. Clients, token life and
/// algorithm are taken from a changed file within seconds, and SIGHUP reads them and the keys of the
/// store at once; a file that cannot be used changes nothing. SIGTERM and Ctrl-C finish the requests
/// in flight and stop.
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
    /// How often the files of the configuration are compared with what was read of them.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    watch_seconds: u64,
}

impl Issuer {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        runtime::block_on(self.serve())?
    }

    async fn serve(&self) -> Result<Exit, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        // Handlers first: a signal that comes during the start must not be lost.
        let mut stop = StopSignals::install()?;
        let reloader = Reloader::new(self.config.loader()).map_err(Failure::failed)?;
        let mut reloader = reloader.every(Duration::from_secs(self.watch_seconds));
        let loaded = reloader.load::<Everything>().map_err(Failure::usage)?;
        let settings = self.settings(loaded.into_settings())?;
        // Before the store is touched: a second issuer must not create a client whose secret is never shown.
        let listener = listen(settings.listen).await?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        let token_url = format!("{}://{address}/oauth2/token", scheme(&settings));
        let show = |created: &_| output::show(&introduction(created, &token_url));
        let created = first_client(&settings, &clock, show).await;
        created.map_err(|error| Failure::issuer(&error))?;
        let started = IssuerServer::start_on(listener, &settings, clock).await;
        let mut issuer = started.map_err(|error| Failure::issuer(&error))?;
        issuer.register_metrics(|registry| reloader.metrics().register(registry));
        output::print_line(&greeting(&issuer, &settings))?;
        loop {
            tokio::select! {
                () = stop.received() => break,
                () = reloader.changed() => tokio::select! {
                    // A stop is heard at once, in the middle of a reload too.
                    () = stop.received() => break,
                    () = self.reload(&mut reloader, &issuer) => {}
                },
                error = issuer.failed() => return Err(Failure::failed(error)),
            }
        }
        issuer.shutdown().await.map_err(Failure::failed)?;
        Ok(Exit::Ok)
    }

    /// Hands the settings to the running issuer once more, and has clients and keys of the store read again.
    async fn reload(&self, reloader: &mut Reloader, issuer: &RunningIssuer) {
        let apply = async |everything| {
            let settings = self.settings(everything)?;
            let applied = issuer.apply(&settings).await;
            applied.map_err(|error| Failure::issuer(&error))
        };
        reloader.reload(apply).await;
    }

    /// The issuer's settings; what the command line says wins over the configuration.
    fn settings(&self, everything: Everything) -> Result<IssuerSettings, Failure> {
        let mut settings = self.config.issuer_of(everything)?;
        if let Some(listen) = self.listen {
            settings.listen = listen;
        }
        if let Some(store) = &self.store {
            settings.store.clone_from(store);
        }
        Ok(settings)
    }
}

/// SIGINT and SIGTERM.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    fn install() -> Result<Self, Failure> {
        let handler = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format_args!("no signal handler: {error}")))
        };
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
        })
    }

    /// Waits for the first of them.
    async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Failure::failed(format_args!("cannot listen on {address}: {error}")))
}

fn greeting(issuer: &RunningIssuer, settings: &IssuerSettings) -> String {
    let (address, scheme) = (issuer.local_addr(), scheme(settings));
    format!(
        "issuer   {}\n\
         tokens   {scheme}://{address}/oauth2/token\n\
         keys     {scheme}://{address}/oauth2/jwks\n\
         store    {}\n\
         listening on {address}",
        issuer.issuer_name(),
        settings.store.display(),
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
