//! One connection to one server: gRPC over HTTP/2, one stream for what the server says by itself.

mod streams;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use http::{Request as HttpRequest, Response, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

use crate::error::{NacosError, shown};
use crate::messages::{
    ConnectionSetupRequest, DENIED, HealthCheckRequest, Request, ServerCheckRequest, Status,
    UNREGISTERED,
};
use crate::payload::{MAX_MESSAGE_BYTES, Payload};
use crate::server_address::ServerAddress;
use streams::{Outgoing, Pushes};
pub(crate) use streams::{Push, PushSender};

/// The server knows a new connection a moment after the stream was opened: so often it is asked.
const MAX_SETUP_ROUNDS: u32 = 50;
const SETUP_PAUSE: Duration = Duration::from_millis(20);
/// Answers to what the server says that may wait to be sent.
const MAX_WAITING_ANSWERS: usize = 64;
/// By this the server knows which protocol we speak. It is the number of the Java client's release that has it.
const CLIENT_VERSION: &str = "Nacos-Rust-Client:v2.4.0";

/// Which half of Nacos a connection is for: the server wants one for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Module {
    Config,
    Naming,
}

impl Module {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Config => "config",
            Self::Naming => "naming",
        }
    }
}

/// What is needed to open one.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) module: Module,
    pub(crate) namespace: Arc<str>,
    pub(crate) timeout: Duration,
    pub(crate) port_offset: u16,
}

/// A connection that has been set up. Dropped, it is closed, and with it end the registrations made over it.
#[derive(Debug)]
pub(crate) struct Connection {
    sender: SendRequest<Outgoing>,
    server: ServerAddress,
    base: String,
    timeout: Duration,
    since: Instant,
    local_address: std::net::IpAddr,
    closed: watch::Receiver<bool>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Connection {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Connection {
    /// Connects and sets up. What the server says by itself goes to `pushes`.
    pub(crate) async fn open(
        server: &ServerAddress,
        tls: Option<Arc<ClientConfig>>,
        way: &Way,
        pushes: PushSender,
    ) -> Result<Self, NacosError> {
        let opening = Self::open_in_time(server, tls, way, pushes);
        timeout(way.timeout, opening)
            .await
            .map_err(|_| too_long(server))?
    }

    async fn open_in_time(
        server: &ServerAddress,
        tls: Option<Arc<ClientConfig>>,
        way: &Way,
        pushes: PushSender,
    ) -> Result<Self, NacosError> {
        let (stream, local_address) = dial(server, tls, way.port_offset).await?;
        // Without pings of HTTP/2: a gRPC server in Java ends a connection on which they come more often than every 5 minutes.
        let builder = http2::Builder::new(TokioExecutor::new());
        let handshake = builder.handshake(TokioIo::new(stream)).await;
        let (mut sender, driver) = handshake.map_err(NacosError::unavailable)?;
        let driver = tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "a connection to Nacos has ended");
            }
        });
        let (close, closed) = watch::channel(false);
        let (answers, outgoing) = mpsc::channel(MAX_WAITING_ANSWERS);
        let base = server.grpc_base(way.port_offset);
        // The first message must be there before the server answers.
        let setup = setup_payload(way)?;
        let _room = answers.try_send(setup.frame());
        let request = grpc_request(
            &base,
            "BiRequestStream/requestBiStream",
            Outgoing::stream(outgoing),
        )?;
        let reply = sender.send_request(request);
        let reader = tokio::spawn(
            Pushes {
                answers,
                pushes,
                close,
            }
            .run(reply),
        );
        let connection = Self {
            sender,
            server: server.clone(),
            base,
            timeout: way.timeout,
            since: Instant::now(),
            local_address,
            closed,
            tasks: [driver, reader],
        };
        connection.wait_until_known().await?;
        Ok(connection)
    }

    /// The server answers requests of a connection when it has read the set-up.
    async fn wait_until_known(&self) -> Result<(), NacosError> {
        let check = ServerCheckRequest {
            headers: BTreeMap::new(),
        };
        self.ask(&check, Vec::new()).await?;
        for _round in 0..MAX_SETUP_ROUNDS {
            match self.is_alive().await {
                Err(NacosError::Refused {
                    code: UNREGISTERED, ..
                }) => tokio::time::sleep(SETUP_PAUSE).await,
                known => return known,
            }
        }
        Err(NacosError::protocol(
            "the server does not take the set-up of a connection",
        ))
    }

    /// Whether the server still knows this connection.
    pub(crate) async fn is_alive(&self) -> Result<(), NacosError> {
        let check = HealthCheckRequest {
            headers: BTreeMap::new(),
        };
        self.ask(&check, Vec::new()).await.map(|_| ())
    }

    /// Asks, with credentials in `headers`, and waits for the answer for at most the configured time.
    pub(crate) async fn ask<R: Request>(
        &self,
        request: &R,
        headers: Vec<(String, String)>,
    ) -> Result<R::Answer, NacosError> {
        let body = serde_json::to_vec(request)
            .map_err(|_| NacosError::protocol("a request that cannot be written as JSON"))?;
        let payload = Payload {
            kind: R::KIND.to_owned(),
            headers,
            body,
        };
        let request = grpc_request(
            &self.base,
            "Request/request",
            Outgoing::once(payload.frame()),
        )?;
        let mut sender = self.sender.clone();
        let asked = async {
            let response = sender.send_request(request).await;
            read_answer(response.map_err(NacosError::unavailable)?).await
        };
        let answer = timeout(self.timeout, asked).await;
        let payload = answer.map_err(|_| NacosError::unavailable("no answer in time"))??;
        understand(&payload)
    }

    /// Waits until it is closed by either side.
    pub(crate) async fn closed(&self) {
        let mut closed = self.closed.clone();
        // An error means that the reader is gone, which closes it as well.
        let _closed = closed.wait_for(|closed| *closed).await;
    }

    /// Since it was set up.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// The server at its other end.
    pub(crate) const fn server(&self) -> &ServerAddress {
        &self.server
    }

    /// The address of this machine that the server is reached from.
    pub(crate) const fn local_address(&self) -> std::net::IpAddr {
        self.local_address
    }
}

fn too_long(server: &ServerAddress) -> NacosError {
    NacosError::unavailable(format_args!("{server} did not answer in time"))
}

trait Transported: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Transported for T {}

async fn dial(
    server: &ServerAddress,
    tls: Option<Arc<ClientConfig>>,
    port_offset: u16,
) -> Result<(Box<dyn Transported>, std::net::IpAddr), NacosError> {
    let failed = |error: std::io::Error| NacosError::unavailable(format_args!("{server}: {error}"));
    let target = (server.bare_host(), server.grpc_port(port_offset));
    let stream = TcpStream::connect(target).await.map_err(failed)?;
    server.check_plain_text(&stream)?;
    let local_address = stream.local_addr().map_err(failed)?.ip();
    stream.set_nodelay(true).map_err(failed)?;
    let Some(tls) = tls else {
        return Ok((Box::new(stream), local_address));
    };
    let mut config = ClientConfig::clone(&tls);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(server.bare_host().to_owned())
        .map_err(|_| NacosError::protocol("the name of a server that TLS does not take"))?;
    let connector = TlsConnector::from(Arc::new(config));
    let stream = connector.connect(name, stream).await.map_err(failed)?;
    Ok((Box::new(stream), local_address))
}

fn setup_payload(way: &Way) -> Result<Payload, NacosError> {
    let setup = ConnectionSetupRequest {
        client_version: CLIENT_VERSION,
        tenant: &way.namespace,
        labels: BTreeMap::from([("source", "sdk"), ("module", way.module.name())]),
        abilities: BTreeMap::new(),
    };
    let body = serde_json::to_vec(&setup)
        .map_err(|_| NacosError::protocol("a set-up that cannot be written as JSON"))?;
    Ok(Payload {
        kind: ConnectionSetupRequest::KIND.to_owned(),
        headers: Vec::new(),
        body,
    })
}

fn grpc_request(
    base: &str,
    method: &str,
    body: Outgoing,
) -> Result<HttpRequest<Outgoing>, NacosError> {
    HttpRequest::post(format!("{base}/{method}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(body)
        .map_err(|_| NacosError::protocol("the address of a server that is no address"))
}

async fn read_answer(response: Response<Incoming>) -> Result<Payload, NacosError> {
    let status = grpc_status(response.headers());
    let body = Limited::new(response.into_body(), MAX_MESSAGE_BYTES);
    let collected = body.collect().await;
    let collected = collected.map_err(|error| NacosError::unavailable(&*error))?;
    let status = status.or_else(|| collected.trailers().and_then(grpc_status));
    if let Some(reason) = status {
        return Err(NacosError::says_unavailable(&reason));
    }
    let bytes = collected.to_bytes();
    let message = bytes.get(5..).and_then(Payload::decode);
    message.ok_or_else(|| NacosError::protocol("an answer that is no message of the protocol"))
}

/// What gRPC says went wrong; nothing when all is well.
fn grpc_status(headers: &http::HeaderMap) -> Option<String> {
    let status = headers.get("grpc-status")?.to_str().unwrap_or("?");
    let message = headers
        .get("grpc-message")
        .and_then(|text| text.to_str().ok());
    (status != "0").then(|| format!("gRPC status {status} {}", message.unwrap_or_default()))
}

/// An answer of the kind that was asked for, or what the server says in its place.
fn understand<A: for<'a> serde::Deserialize<'a>>(payload: &Payload) -> Result<A, NacosError> {
    let status: Status = serde_json::from_slice(&payload.body)
        .map_err(|_| NacosError::protocol("an answer in JSON"))?;
    if !status.is_success() {
        let code = status.code();
        let reason: Arc<str> = shown(&status.message.unwrap_or_default()).into();
        return Err(match code {
            code if DENIED.contains(&code) => NacosError::Denied { reason },
            // Not ready, overloaded, without its store: it is for the server to mend, and not an answer.
            code @ 500..600 => NacosError::unavailable(format_args!("{reason} (code {code})")),
            code => NacosError::Refused { code, reason },
        });
    }
    let answer = serde_json::from_slice(&payload.body);
    answer.map_err(|_| {
        NacosError::protocol(format!("an answer to a request ({})", shown(&payload.kind)))
    })
}
