//! One connection to one server: opened within a limit, and known to be closed as soon as it is.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_config::{Secret, files};
use hallpass_tls::ClientTls;
use hallpass_upstream::Reminders;
use redis::aio::{AsyncPushSender, ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Cmd, ProtocolVersion, RedisConnectionInfo, Value};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use crate::address::NodeAddress;
use crate::bounded::{Bounded, Bounds};
use crate::error::RedisError;
use crate::settings::{RedisForm, RedisLoginSettings, RedisSettings};

/// Commands that wait for their turn on one connection.
const MAX_WAITING: usize = 256;
/// A longer response is none of Redis, of which no more than 64 KiB of an entry are asked for: the connection ends before it is kept.
const MAX_RESPONSE_BYTES: usize = 128 * 1024;
/// In a cluster, where a response says which of thousands of nodes has which slots.
const MAX_SLOTS_BYTES: usize = 2 * 1024 * 1024;

/// Opens connections. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Dialer {
    tls: Option<ClientTls>,
    limit: Duration,
    /// Whether a password may leave this machine over plain TCP.
    plain_passwords: bool,
    /// The longest response that a server may send, in bytes.
    response_bytes: usize,
}

/// Who somebody is to a server. The file of its password is read again before each connection.
pub(crate) struct Login {
    username: Option<String>,
    password: Mutex<Option<Secret>>,
    settings: RedisLoginSettings,
    database: u16,
    said: Reminders,
}

/// An open connection. Cheap to clone; it is closed when the last clone is dropped.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    address: NodeAddress,
    /// `None` without TLS.
    trusted: Option<Trusted>,
    commands: MultiplexedConnection,
    closed: watch::Receiver<()>,
    driver: AbortHandle,
}

impl Dialer {
    pub(crate) fn new(settings: &RedisSettings, tls: Option<ClientTls>) -> Self {
        Self {
            tls,
            limit: settings.connect_timeout,
            plain_passwords: settings.dangerous_plain_tcp,
            response_bytes: match settings.form {
                RedisForm::Cluster(_) => MAX_SLOTS_BYTES,
                RedisForm::Standalone(_) | RedisForm::Sentinel(_) => MAX_RESPONSE_BYTES,
            },
        }
    }

    /// A connection to `address` on which `login` is known.
    pub(crate) async fn open(
        &self,
        address: &NodeAddress,
        login: &Login,
    ) -> Result<Connection, RedisError> {
        self.open_with(address, login, AsyncConnectionConfig::new(), false)
            .await
    }

    /// As [`open`](Self::open); what the server sends by itself goes to `pushes`.
    pub(crate) async fn open_for_pushes(
        &self,
        address: &NodeAddress,
        login: &Login,
        pushes: impl AsyncPushSender,
    ) -> Result<Connection, RedisError> {
        let config = AsyncConnectionConfig::new().set_push_sender(pushes);
        self.open_with(address, login, config, true).await
    }

    async fn open_with(
        &self,
        address: &NodeAddress,
        login: &Login,
        config: AsyncConnectionConfig,
        pushes: bool,
    ) -> Result<Connection, RedisError> {
        let bounds = Bounds {
            response_bytes: self.response_bytes,
            pushes,
        };
        let config = config
            .set_connection_timeout(None)
            .set_response_timeout(None)
            .set_pipeline_buffer_size(MAX_WAITING);
        let end = Instant::now() + self.limit;
        let reached = async {
            let info = login.info().await;
            let stream = TcpStream::connect((address.host(), address.port())).await;
            stream.map(|stream| (info, stream))
        };
        let reached = timeout_at(end, reached).await;
        let reached =
            reached.map_err(|_| RedisError::connecting(address, &RedisError::TimedOut))?;
        let (info, stream) = reached.map_err(|error| RedisError::connecting(address, &error))?;
        let left = end.saturating_duration_since(Instant::now());
        let greeted = timeout_at(end, self.greet((address, stream), &info, config, bounds)).await;
        greeted.map_err(|_| silent(address, left, self.limit))?
    }

    async fn greet(
        &self,
        (address, stream): (&NodeAddress, TcpStream),
        info: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
        bounds: Bounds,
    ) -> Result<Connection, RedisError> {
        let failed = |error: std::io::Error| RedisError::connecting(address, &error);
        stream.set_nodelay(true).map_err(failed)?;
        let Some(tls) = &self.tls else {
            let is_here = stream.peer_addr().map_err(failed)?.ip().is_loopback();
            if info.password().is_some() && !is_here && !self.plain_passwords {
                return Err(RedisError::PlainPassword(address.clone()));
            }
            let stream = Bounded::new(stream, bounds);
            return Connection::over(stream, address, None, info, config).await;
        };
        let name = ServerName::try_from(address.host().to_owned());
        let name = name.map_err(|error| RedisError::connecting(address, &error))?;
        let trusted = Trusted::now(tls);
        let stream = TlsConnector::from(Arc::clone(&trusted.config))
            .connect(name, stream)
            .await
            .map_err(failed)?;
        let stream = Bounded::new(stream, bounds);
        Connection::over(stream, address, Some(trusted), info, config).await
    }
}

/// What is said of a server that has taken a connection and did not say a word in the time that was `left` of `limit`. Where the connection
/// itself took most of that it is the way there that is slow, and nobody shall look at the server.
fn silent(address: &NodeAddress, left: Duration, limit: Duration) -> RedisError {
    match left < limit / 2 {
        true => RedisError::connecting(address, &RedisError::TimedOut),
        false => RedisError::Stalled(address.clone()),
    }
}

impl Login {
    pub(crate) fn new(settings: &RedisLoginSettings, database: u16) -> Self {
        Self {
            username: settings.username.clone(),
            password: Mutex::new(settings.password.clone()),
            settings: settings.clone(),
            database,
            said: Reminders::default(),
        }
    }

    async fn info(&self) -> RedisConnectionInfo {
        self.read_again().await;
        let info = RedisConnectionInfo::default()
            .set_protocol(ProtocolVersion::RESP3)
            .set_skip_set_lib_name()
            .set_db(self.database.into());
        let info = match &self.username {
            Some(username) => info.set_username(username),
            None => info,
        };
        match &*self.password.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(password) => info.set_password(password.expose()),
            None => info,
        }
    }

    /// What cannot be read leaves the last good password.
    async fn read_again(&self) {
        let Some(path) = self.settings.password_file.clone() else {
            return;
        };
        let read = tokio::task::spawn_blocking(move || files::read_secret_again(&path)).await;
        match read {
            Ok(Some(Ok(secret))) => {
                *self.password.lock().unwrap_or_else(PoisonError::into_inner) = Some(secret);
                self.said.over();
            }
            // Connections are tried every second at least.
            Ok(Some(Err(error))) if self.said.is_due("unreadable") => {
                let file = &self.settings.password_file;
                tracing::warn!(?file, %error, "the password of Redis cannot be read again, the last good one stays");
            }
            // A pipe, or a runtime that is shutting down.
            Ok(Some(Err(_)) | None) | Err(_) => {}
        }
    }
}

impl Connection {
    async fn over(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        address: &NodeAddress,
        trusted: Option<Trusted>,
        info: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
    ) -> Result<Self, RedisError> {
        let opened = MultiplexedConnection::new_with_config(info, stream, config).await;
        let (commands, driver) = opened.map_err(|error| RedisError::greeting(address, &error))?;
        let (open, closed) = watch::channel(());
        let driver = tokio::spawn(async move {
            driver.await;
            drop(open);
        });
        Ok(Self(Arc::new(Shared {
            address: address.clone(),
            trusted,
            commands,
            closed,
            driver: driver.abort_handle(),
        })))
    }

    /// Where it leads to.
    pub(crate) fn address(&self) -> &NodeAddress {
        &self.0.address
    }

    /// Whether it has not ended, as far as this side knows.
    pub(crate) fn is_open(&self) -> bool {
        self.0.closed.has_changed().is_ok()
    }

    /// Ends when the connection has ended.
    pub(crate) async fn closed(&self) {
        let mut closed = self.0.closed.clone();
        // Nothing is ever sent: an error says that the sender has gone.
        while closed.changed().await.is_ok() {}
    }

    /// One command. It has no limit of its own.
    pub(crate) async fn call(&self, command: &Cmd) -> Result<Value, redis::RedisError> {
        let mut commands = self.0.commands.clone();
        // What the server refuses comes as a value.
        commands.req_packed_command(command).await?.extract_error()
    }

    /// One command that a node of a cluster takes although the slot is still another's.
    pub(crate) async fn call_asking(&self, command: &Cmd) -> Result<Value, redis::RedisError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("ASKING").add_command(command.clone());
        let mut commands = self.0.commands.clone();
        let responses = commands.req_packed_commands(&pipeline, 1, 1).await?;
        responses
            .into_iter()
            .next()
            .unwrap_or(Value::Nil)
            .extract_error()
    }

    /// Whether it responds within `limit`. One that was made while another authority was trusted counts as gone: it would be used for as
    /// long as it holds.
    pub(crate) async fn responds(&self, limit: Duration) -> bool {
        if self.0.trusted.as_ref().is_some_and(Trusted::has_changed) {
            return false;
        }
        let ping = redis::cmd("PING");
        let response = tokio::time::timeout(limit, self.call(&ping)).await;
        response.is_ok_and(|response| response.is_ok())
    }
}

/// Whom TLS trusted, and what was shown, when a connection was made.
struct Trusted {
    tls: ClientTls,
    config: Arc<ClientConfig>,
}

impl Trusted {
    fn now(tls: &ClientTls) -> Self {
        let (tls, config) = (tls.clone(), tls.config());
        Self { tls, config }
    }

    fn has_changed(&self) -> bool {
        !Arc::ptr_eq(&self.config, &self.tls.config())
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer")
            .field("tls", &self.tls.is_some())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(self.address()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_was_left_no_time_is_not_called_one_that_hangs() {
        let address = "redis.example:6379".parse().unwrap();
        let of = |left| {
            let (left, limit) = (Duration::from_millis(left), Duration::from_secs(1));
            matches!(silent(&address, left, limit), RedisError::Stalled(_))
        };
        assert!(of(990) && of(500));
        assert!(!of(499) && !of(0));
    }
}
