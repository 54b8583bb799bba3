//! `hallpass issuer`: the authorization server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use hallpass::clock::{Clock, SystemClock};
use hallpass_issuer::IssuerSettings;
use hallpass_issuer::{FirstClient, IssuerServer, RunningIssuer, first_client};
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::output::{self, Exit, Failure};
use crate::runtime;
use crate::settings::ConfigArguments;

/// Run the authorization server
///
/// Without a configuration it listens on 127.0.0.1:9000, keeps its store in the current folder, and
/// at its first start creates a client whose secret it prints once. SIGHUP reads clients and keys
/// again; SIGTERM and Ctrl-C finish the requests in flight and stop.
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
}

impl Issuer {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let settings = self.settings()?;
        runtime::block_on(self.serve(settings))?
    }

    fn settings(&self) -> Result<IssuerSettings, Failure> {
        let mut settings = self.config.issuer()?;
        if let Some(listen) = self.listen {
            settings.listen = listen;
        }
        if let Some(store) = &self.store {
            settings.store.clone_from(store);
        }
        Ok(settings)
    }

    async fn serve(&self, settings: IssuerSettings) -> Result<Exit, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        // Handlers first: a signal that comes during the start must not be lost.
        let mut signals = Signals::install()?;
        // Before the store is touched: a second issuer must not create a client whose secret is never shown.
        let listener = listen(settings.listen).await?;
        let address = listener.local_addr().map_err(Failure::failed)?;
        let created = first_client(&settings, &clock).await;
        if let Some(created) = created.map_err(|error| Failure::issuer(&error))? {
            output::print_line(&introduction(&created, address))?;
        }
        let started = IssuerServer::start_on(listener, &settings, clock).await;
        let mut issuer = started.map_err(|error| Failure::issuer(&error))?;
        output::print_line(&greeting(&issuer, &settings))?;
        loop {
            tokio::select! {
                request = signals.next() => match request {
                    Request::Stop => break,
                    Request::Reload => self.reload(&issuer).await,
                },
                error = issuer.failed() => return Err(Failure::failed(error)),
            }
        }
        issuer.shutdown().await.map_err(Failure::failed)?;
        Ok(Exit::Ok)
    }

    /// A configuration that cannot be used leaves everything as it was.
    async fn reload(&self, issuer: &RunningIssuer) {
        match self.settings() {
            Ok(settings) => match issuer.reload(&settings).await {
                Ok(()) => tracing::info!("clients and keys were read again"),
                Err(error) => tracing::error!(%error, "not reloaded"),
            },
            Err(failure) => {
                failure.report();
                tracing::error!("not reloaded: the configuration cannot be used");
            }
        }
    }
}

enum Request {
    Stop,
    Reload,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn install() -> Result<Self, Failure> {
        let handler = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format_args!("no signal handler: {error}")))
        };
        Ok(Self {
            interrupt: handler(SignalKind::interrupt())?,
            terminate: handler(SignalKind::terminate())?,
            hangup: handler(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Stop,
            _ = self.terminate.recv() => Request::Stop,
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failure> {
    let listener = TcpListener::bind(address).await;
    listener.map_err(|error| Failure::failed(format_args!("cannot listen on {address}: {error}")))
}

fn greeting(issuer: &RunningIssuer, settings: &IssuerSettings) -> String {
    let address = issuer.local_addr();
    format!(
        "issuer   {}\n\
         tokens   http://{address}/oauth2/token\n\
         keys     http://{address}/oauth2/jwks\n\
         store    {}\n\
         listening on {address}",
        issuer.issuer_name(),
        settings.store.display(),
    )
}

fn introduction(client: &FirstClient, address: SocketAddr) -> String {
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
         \x20   -d scope={scope} -d audience={audience} http://{address}/oauth2/token\n"
    )
}
