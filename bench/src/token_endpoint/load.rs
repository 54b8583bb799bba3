//! The load: one request again and again over each of some connections, with as little work as possible here.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use hallpass::clock::SystemClock;
use hallpass::tls::{ClientTls, ClientTlsSettings, TlsMetrics};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use super::case::Case;
use super::issuer::CERTIFICATE_FILE;
use crate::measure::Failure;

/// Connections that the load is spread over.
pub(super) const CONNECTIONS: usize = 32;
/// Room for one response.
const BUFFER_BYTES: usize = 8 * 1024;

/// What is sent, and how.
pub(super) struct Load {
    runtime: Runtime,
    request: Vec<u8>,
    tls: Option<TlsConnector>,
    fresh: bool,
}

/// What came of a round.
pub(super) struct Seen {
    /// How long each good response took, with its connection where it has one of its own.
    pub(super) micros: Vec<u32>,
    pub(super) took: Duration,
}

impl Load {
    pub(super) fn new(case: Case, request: Vec<u8>, folder: &Path) -> Result<Self, Failure> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let tls = match case.tls {
            true => {
                let settings = ClientTlsSettings {
                    ca_file: Some(folder.join(CERTIFICATE_FILE)),
                    ..ClientTlsSettings::default()
                };
                let _entered = runtime.enter();
                let tls = ClientTls::load(
                    &settings,
                    Arc::new(SystemClock::new()),
                    &TlsMetrics::default(),
                )?;
                Some(TlsConnector::from(tls.config()))
            }
            false => None,
        };
        Ok(Self {
            runtime,
            request,
            tls,
            fresh: case.fresh,
        })
    }

    /// Sends the request over and over for `length`.
    pub(super) fn run(&self, address: SocketAddr, length: Duration) -> Result<Seen, Failure> {
        self.runtime.block_on(async {
            let start = Instant::now();
            let end = start + length;
            let mut workers = JoinSet::new();
            // Awake all the time: a server would else pay for waking this process, the more often the slower it is itself.
            let awake = tokio::spawn(async {
                loop {
                    tokio::task::yield_now().await;
                }
            });
            for _ in 0..CONNECTIONS {
                let worker = Worker {
                    address,
                    tls: self.tls.clone(),
                    request: self.request.clone().into(),
                    fresh: self.fresh,
                };
                workers.spawn(async move { worker.run(end).await });
            }
            let mut micros = Vec::new();
            while let Some(worker) = workers.join_next().await {
                micros.extend(worker??);
            }
            awake.abort();
            Ok(Seen {
                micros,
                took: start.elapsed(),
            })
        })
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// One connection after the other, or one for all requests.
struct Worker {
    address: SocketAddr,
    tls: Option<TlsConnector>,
    request: Arc<[u8]>,
    fresh: bool,
}

impl Worker {
    async fn run(&self, end: Instant) -> Result<Vec<u32>, Failure> {
        let mut buffer = vec![0; BUFFER_BYTES];
        // All responses are equally long, so only the first one is looked into for its length.
        let mut length = None;
        let mut micros = Vec::new();
        let mut kept = None;
        while Instant::now() < end {
            let begun = Instant::now();
            let mut stream = match kept.take() {
                Some(stream) => stream,
                None => self.connect().await?,
            };
            stream.write_all(&self.request).await?;
            response(&mut stream, &mut buffer, &mut length).await?;
            micros.push(u32::try_from(begun.elapsed().as_micros())?);
            kept = Some(stream).filter(|_| !self.fresh);
        }
        Ok(micros)
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, Failure> {
        let stream = TcpStream::connect(self.address).await?;
        stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some(tls) => Box::new(tls.connect(self.address.ip().into(), stream).await?),
        })
    }
}

/// Reads one response, which must be a good one.
async fn response(
    stream: &mut Box<dyn Stream>,
    buffer: &mut [u8],
    length: &mut Option<usize>,
) -> Result<(), Failure> {
    let mut received = 0;
    loop {
        let free = buffer.get_mut(received..).ok_or("a response is too long")?;
        let more = stream.read(free).await?;
        if more == 0 {
            return Err("the server closed a connection".into());
        }
        received += more;
        let so_far = buffer.get(..received).unwrap_or_default();
        if length.is_none() {
            *length = response_length(so_far)?;
        }
        if length.is_some_and(|length| received >= length) {
            break;
        }
    }
    if Some(received) != *length || !buffer.starts_with(b"HTTP/1.1 200 ") {
        let text = buffer.get(..received).unwrap_or_default();
        let text = String::from_utf8_lossy(text).into_owned();
        return Err(format!("a response is not like the first one: {text}").into());
    }
    Ok(())
}

/// Head and body together, once the head is complete.
fn response_length(bytes: &[u8]) -> Result<Option<usize>, Failure> {
    let text = String::from_utf8_lossy(bytes).to_lowercase();
    let Some((head, _)) = text.split_once("\r\n\r\n") else {
        return Ok(None);
    };
    let body = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .ok_or("no content-length")?;
    Ok(Some(head.len() + 4 + body.parse::<usize>()?))
}
