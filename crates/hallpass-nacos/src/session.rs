//! Keeps a connection to one of the servers, and a credential in effect.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use hallpass_tls::ClientTls;
use hallpass_upstream::{Reminders, random_below};
use rustls::ClientConfig;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::connection::{Connection, Push, PushSender, Way};
use crate::credential::{Identity, Resource};
use crate::error::NacosError;
use crate::messages::Request;
use crate::metrics::NacosMetrics;
use crate::server_address::ServerAddress;

/// Pause after all servers were tried in vain: it doubles from the first to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(3);
/// How often a server is asked for a sign of life; the answer may take as long as any other.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// A connection that lasted for so long was a good one. After others the pause before the next grows as after a failure.
const STEADY_AFTER: Duration = Duration::from_secs(10);

/// A session with Nacos for one of its halves: connected, or on the way to be. It ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Session {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What is needed for one.
#[derive(Debug)]
pub(crate) struct SessionParts {
    pub(crate) way: Way,
    pub(crate) servers: Vec<ServerAddress>,
    pub(crate) tls: Option<ClientTls>,
    pub(crate) identity: Identity,
    pub(crate) metrics: NacosMetrics,
}

#[derive(Debug)]
struct Shared {
    parts: SessionParts,
    current: watch::Sender<Option<Arc<Connection>>>,
    is_down: AtomicBool,
    said: Reminders,
    /// What the last attempt came to; for who waits in vain.
    last_error: ArcSwap<NacosError>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.task.abort();
        // Who holds it closes it; a session that is gone holds none.
        self.shared.current.send_replace(None);
    }
}

impl Session {
    /// Begins to connect. Needs a runtime.
    pub(crate) fn start(parts: SessionParts) -> (Self, mpsc::Receiver<Push>) {
        let (pushes, pushed) = PushSender::channel();
        parts.metrics.connecting(parts.way.module);
        let shared = Arc::new(Shared {
            parts,
            current: watch::Sender::new(None),
            is_down: AtomicBool::new(false),
            said: Reminders::default(),
            last_error: ArcSwap::from_pointee(NacosError::unavailable("not connected yet")),
        });
        let task = tokio::spawn(Arc::clone(&shared).run(pushes));
        (Self { shared, task }, pushed)
    }

    /// Changes with every connection that begins or ends.
    pub(crate) fn watch(&self) -> watch::Receiver<Option<Arc<Connection>>> {
        self.shared.current.subscribe()
    }

    /// Whether every server was tried in vain since the last connection: waiting would be of little use.
    pub(crate) fn is_down(&self) -> bool {
        self.shared.is_down.load(Ordering::Relaxed)
    }

    /// For how long there has been a connection; nothing without one.
    pub(crate) fn connected_for(&self) -> Option<Duration> {
        let connected = self.shared.current.borrow();
        connected.as_ref().map(|connection| connection.age())
    }

    /// Whether there is a connection now.
    pub(crate) fn is_connected(&self) -> bool {
        self.shared.current.borrow().is_some()
    }

    /// The connection; waits for one as long as for an answer.
    pub(crate) async fn connection(&self) -> Result<Arc<Connection>, NacosError> {
        let mut watch = self.watch();
        let connected = timeout(
            self.shared.parts.way.timeout,
            watch.wait_for(Option::is_some),
        );
        let connection = match connected.await {
            Ok(Ok(connection)) => connection.clone(),
            Ok(Err(_)) | Err(_) => None,
        };
        connection.ok_or_else(|| NacosError::clone(&self.shared.last_error.load()))
    }

    /// Asks a server. A credential that is refused is made anew once.
    pub(crate) async fn ask<R: Request>(
        &self,
        request: &R,
        resource: Resource<'_>,
    ) -> Result<R::Answer, NacosError> {
        let identity = &self.shared.parts.identity;
        let connection = self.connection().await?;
        let answer = connection.ask(request, identity.headers(resource)).await;
        if !matches!(answer, Err(NacosError::Denied { .. })) {
            return answer;
        }
        let server = connection.server();
        // Where the token is new, it is the right that is missing.
        if !identity.may_log_in_again() {
            return answer;
        }
        identity.login(server).await?;
        connection.ask(request, identity.headers(resource)).await
    }
}

/// A connection that was just made.
struct Connected {
    connection: Arc<Connection>,
    /// The TLS that it was made by.
    over: Option<Arc<ClientConfig>>,
    /// When the login is to be renewed.
    refresh: Option<Duration>,
}

impl Shared {
    async fn run(self: Arc<Self>, pushes: PushSender) {
        let servers = self.parts.servers.len();
        let mut next = usize::try_from(random_below(servers as u64)).unwrap_or(0);
        let mut failures = 0u32;
        loop {
            let Some(server) = self.parts.servers.get(next % servers.max(1)) else {
                return;
            };
            match self.connect(server, &pushes).await {
                Ok(connected) => {
                    let connection = Arc::clone(&connected.connection);
                    self.hold(server, connected).await;
                    failures = match connection.age() >= STEADY_AFTER {
                        true => 0,
                        false => failures.saturating_add(1),
                    };
                }
                Err(error) => {
                    self.say_failed(server, &error);
                    self.last_error.store(Arc::new(error));
                    failures = failures.saturating_add(1);
                    let all = usize::try_from(failures).unwrap_or(usize::MAX) >= servers;
                    self.is_down.store(all, Ordering::Relaxed);
                }
            }
            next = next.wrapping_add(1);
            sleep(pause(failures, servers)).await;
        }
    }

    async fn connect(
        &self,
        server: &ServerAddress,
        pushes: &PushSender,
    ) -> Result<Connected, NacosError> {
        let refresh = self.parts.identity.login(server).await?;
        let tls = self.tls(server);
        let over = tls.clone();
        let connection = Connection::open(server, tls, &self.parts.way, pushes.clone()).await?;
        Ok(Connected {
            connection: Arc::new(connection),
            over,
            refresh,
        })
    }

    /// Whom a connection to `server` that begins now trusts, and what it shows.
    fn tls(&self, server: &ServerAddress) -> Option<Arc<ClientConfig>> {
        let tls = self.parts.tls.as_ref().filter(|_| server.is_https());
        tls.map(ClientTls::config)
    }

    /// Until the connection is closed.
    async fn hold(
        &self,
        server: &ServerAddress,
        Connected {
            connection,
            over,
            mut refresh,
        }: Connected,
    ) {
        let module = self.parts.way.module;
        if self.said.is_due("connected") {
            tracing::info!(%server, module = module.name(), "connected to Nacos");
        }
        self.parts.metrics.connected(module, true);
        self.is_down.store(false, Ordering::Relaxed);
        self.current.send_replace(Some(Arc::clone(&connection)));
        loop {
            let token_ends = async {
                match refresh {
                    Some(refresh) => sleep(refresh).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = connection.closed() => break,
                error = fails_to_answer(&connection) => {
                    tracing::debug!(%error, "no sign of life from Nacos");
                    break;
                }
                () = self.trusts_others(server, over.as_ref()) => break,
                () = token_ends => refresh = self.log_in_again(server).await,
            }
        }
        self.current.send_replace(None);
        self.parts.metrics.connected(module, false);
        if connection.age() >= STEADY_AFTER {
            self.said.over();
        }
        if self.said.is_due("ended") {
            tracing::warn!(%server, module = module.name(), "the connection to Nacos has ended: connecting again");
        }
    }

    /// Waits until a connection would be made by other TLS than `over`: the server may not be trusted any more, and a connection has no
    /// end of its own.
    async fn trusts_others(&self, server: &ServerAddress, over: Option<&Arc<ClientConfig>>) {
        loop {
            sleep(ALIVE_EVERY).await;
            let now = self.tls(server);
            if now.as_ref().map(Arc::as_ptr) != over.map(Arc::as_ptr) {
                return;
            }
        }
    }

    async fn log_in_again(&self, server: &ServerAddress) -> Option<Duration> {
        match self.parts.identity.login(server).await {
            Ok(refresh) => refresh,
            Err(error) => {
                if self.said.is_due("login") {
                    tracing::warn!(%error, %server, "the login to Nacos could not be renewed; trying on");
                }
                Some(LONGEST_PAUSE)
            }
        }
    }

    /// What is wrong, once in an outage; that it is something else now, once more.
    fn say_failed(&self, server: &ServerAddress, error: &NacosError) {
        let module = self.parts.way.module.name();
        match (self.said.is_due(error.kind()), error) {
            (false, _) => tracing::debug!(%error, %server, module, "Nacos still cannot be reached"),
            (true, NacosError::Denied { .. }) => {
                tracing::error!(%error, %server, module, "Nacos does not let us in; trying on. See the credential of the section `nacos`");
            }
            (true, _) => {
                tracing::warn!(%error, %server, module, "Nacos cannot be reached; trying on");
            }
        }
    }
}

/// Waits until the other side does not answer any more, or does not know this connection.
async fn fails_to_answer(connection: &Connection) -> NacosError {
    loop {
        sleep(ALIVE_EVERY).await;
        if let Err(error) = connection.is_alive().await {
            return error;
        }
    }
}

/// None before every server was tried, then longer and longer, and never the same for all processes.
fn pause(failures: u32, servers: usize) -> Duration {
    let rounds = failures / u32::try_from(servers.max(1)).unwrap_or(u32::MAX);
    if rounds == 0 && failures > 0 {
        return Duration::ZERO;
    }
    let pause = FIRST_PAUSE
        .saturating_mul(1 << rounds.min(5))
        .min(LONGEST_PAUSE);
    let jitter = random_below(u64::try_from(pause.as_millis() / 2).unwrap_or(0).max(1));
    pause / 2 + Duration::from_millis(jitter)
}
