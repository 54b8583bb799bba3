//! A network between two parts that misbehaves on demand.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use crate::measure::Failure;

const BUFFER: usize = 16 * 1024;

/// What happens to bytes that arrive now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Pass,
    /// Each piece of an answer comes this much later.
    Slow(Duration),
    /// The first half of a piece of an answer comes, and nothing after it.
    Half,
    /// Accepts connections and bytes, and sends nothing on.
    Silent,
    /// Answers each request with this itself, on connections that it opens now: those that it has end.
    Answer(&'static str),
}

/// On loopback; ends with all its connections when it is dropped.
pub(super) struct Proxy {
    pub(super) address: SocketAddr,
    mode: watch::Sender<Mode>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(super) async fn start(upstream: SocketAddr) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (mode, seen) = watch::channel(Mode::Pass);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(connection(client, upstream, seen.clone()));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            mode,
            task,
        })
    }

    pub(super) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connection(mut client: TcpStream, upstream: SocketAddr, mode: watch::Receiver<Mode>) {
    let now = *mode.borrow();
    if let Mode::Answer(text) = now {
        let _sender_is_gone = answer(client, text).await;
        return;
    }
    let mut answers = mode.clone();
    let Ok(mut server) = TcpStream::connect(upstream).await else {
        return;
    };
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    // Either end closes both.
    tokio::select! {
        _ended = pass(from_client, to_server, mode.clone(), false) => {}
        _ended = pass(from_server, to_client, mode, true) => {}
        _others_answer = answers.wait_for(|mode| matches!(mode, Mode::Answer(_))) => {}
    }
}

/// One answer, once the request is there, whose body is a short form.
async fn answer(mut client: TcpStream, text: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    while !is_whole(&request) {
        if client.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    client.write_all(text.as_bytes()).await?;
    client.shutdown().await
}

/// Whether head and body of a request are there.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_ascii_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length:"));
    let length = length.and_then(|length| length.trim().parse().ok());
    body.len() >= length.unwrap_or(0_usize)
}

async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<Mode>,
    is_answer: bool,
) -> std::io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        let now = *mode.borrow();
        let passed = match now {
            Mode::Silent => 0,
            Mode::Half if is_answer => length / 2,
            _ => length,
        };
        if let (Mode::Slow(wait), true) = (now, is_answer) {
            tokio::time::sleep(wait).await;
        }
        to.write_all(buffer.get(..passed).unwrap_or_default())
            .await?;
        if passed < length {
            // Bytes are missing now: this connection can only end, when others pass again.
            let _gone = mode.wait_for(|mode| *mode == Mode::Pass).await;
            return Ok(());
        }
    }
}
