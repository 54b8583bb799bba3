//! A TCP proxy that stands between two parts and misbehaves on demand.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What the proxy does with connections, those that are open included.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Passes bytes both ways.
    Pass,
    /// Waits this long before each connection to the upstream, then passes bytes.
    Delay(Duration),
    /// Accepts and reads, and sends nothing back. A new connection hangs, an open one goes silent.
    BlackHole,
    /// Closes the listening socket, so that the system answers "connection refused"; open connections end.
    Refuse,
    /// Accepts and at once sends a reset; open connections are reset too.
    Reset,
}

/// A proxy on loopback in front of `upstream`; its address stays the same under every [`Fault`].
///
/// Dropped, it ends with all its connections.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    fault: watch::Sender<Fault>,
    applied: watch::Receiver<Fault>,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl FaultProxy {
    /// Listens on a free loopback port and passes to `upstream`.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (fault, wanted) = watch::channel(Fault::Pass);
        let (report, applied) = watch::channel(Fault::Pass);
        let accepted = Arc::new(AtomicU64::new(0));
        let acceptor = Acceptor {
            address,
            upstream,
            wanted,
            report,
            accepted: Arc::clone(&accepted),
        };
        let task = tokio::spawn(acceptor.run(listener));
        Ok(Self {
            address,
            fault,
            applied,
            accepted,
            task,
        })
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections accepted since the start.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Changes the behaviour and returns when it holds for the listening socket.
    pub async fn set(&mut self, fault: Fault) {
        self.fault.send_replace(fault);
        // An error means that the task has ended, with the runtime: nothing to wait for then.
        let _ended = self.applied.wait_for(|applied| *applied == fault).await;
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Acceptor {
    address: SocketAddr,
    upstream: SocketAddr,
    wanted: watch::Receiver<Fault>,
    report: watch::Sender<Fault>,
    accepted: Arc<AtomicU64>,
}

impl Acceptor {
    async fn run(mut self, first: TcpListener) {
        let mut listener = Some(first);
        // Dropped with this task, and all connections with it.
        let mut connections = JoinSet::new();
        loop {
            let fault = *self.wanted.borrow_and_update();
            if fault == Fault::Refuse {
                listener = None;
            } else if listener.is_none() {
                listener = rebind(self.address).await;
            }
            self.report.send_replace(fault);
            tokio::select! {
                changed = self.wanted.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                Some(client) = accept(listener.as_ref()) => {
                    self.accepted.fetch_add(1, Ordering::Relaxed);
                    connections.spawn(connection(client, self.upstream, self.wanted.clone()));
                }
                Some(_ended) = connections.join_next(), if !connections.is_empty() => {}
            }
        }
    }
}

async fn accept(listener: Option<&TcpListener>) -> Option<TcpStream> {
    match listener {
        // A client that left between its connect and our accept is not our fault.
        Some(listener) => listener.accept().await.ok().map(|(client, _from)| client),
        None => std::future::pending().await,
    }
}

/// The port was ours a moment ago; tokio sets `SO_REUSEADDR`, so only another process could prevent it.
async fn rebind(address: SocketAddr) -> Option<TcpListener> {
    TcpListener::bind(address).await.ok()
}

async fn connection(
    mut client: TcpStream,
    upstream: SocketAddr,
    mut wanted: watch::Receiver<Fault>,
) {
    loop {
        let fault = *wanted.borrow_and_update();
        match fault {
            Fault::Refuse => return,
            Fault::Reset => {
                // Zero linger turns the close into a reset.
                let _gone = client.set_zero_linger();
                return;
            }
            Fault::BlackHole => {
                if wanted.changed().await.is_err() {
                    return;
                }
            }
            Fault::Pass | Fault::Delay(_) => {
                if let Fault::Delay(wait) = fault {
                    tokio::time::sleep(wait).await;
                }
                let Ok(mut server) = TcpStream::connect(upstream).await else {
                    return;
                };
                tokio::select! {
                    _closed = tokio::io::copy_bidirectional(&mut client, &mut server) => return,
                    // The answer to what was under way is lost, as on a real network.
                    Ok(()) = wanted.changed() => {}
                }
                // Silence keeps this connection, a return to passing would start in the middle: end it then.
                if matches!(*wanted.borrow(), Fault::Pass | Fault::Delay(_)) {
                    return;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn echo_server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let (mut read, mut write) = stream.split();
                    tokio::io::copy(&mut read, &mut write).await
                });
            }
        });
        address
    }

    async fn echo(proxy: &FaultProxy) -> io::Result<[u8; 2]> {
        let mut stream = TcpStream::connect(proxy.address()).await?;
        stream.write_all(b"hi").await?;
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).await?;
        Ok(answer)
    }

    #[tokio::test]
    async fn passes_then_refuses_then_passes_on_the_same_address() {
        let mut proxy = FaultProxy::start(echo_server().await).await.unwrap();
        assert_eq!(&echo(&proxy).await.unwrap(), b"hi");
        proxy.set(Fault::Refuse).await;
        assert_eq!(
            echo(&proxy).await.unwrap_err().kind(),
            io::ErrorKind::ConnectionRefused
        );
        proxy.set(Fault::Pass).await;
        assert_eq!(&echo(&proxy).await.unwrap(), b"hi");
        assert_eq!(proxy.connections(), 2);
    }

    #[tokio::test]
    async fn resets_new_and_open_connections() {
        let mut proxy = FaultProxy::start(echo_server().await).await.unwrap();
        let mut open = TcpStream::connect(proxy.address()).await.unwrap();
        open.write_all(b"hi").await.unwrap();
        let mut answer = [0; 2];
        open.read_exact(&mut answer).await.unwrap();
        proxy.set(Fault::Reset).await;
        assert!(matches!(open.read(&mut answer).await, Err(_) | Ok(0)));
        assert!(echo(&proxy).await.is_err());
    }

    #[tokio::test]
    async fn a_black_hole_takes_everything_and_answers_nothing() {
        let mut proxy = FaultProxy::start(echo_server().await).await.unwrap();
        proxy.set(Fault::BlackHole).await;
        let silence = tokio::time::timeout(Duration::from_millis(50), echo(&proxy)).await;
        assert!(silence.is_err());
    }

    #[tokio::test]
    async fn delays_the_connection() {
        let mut proxy = FaultProxy::start(echo_server().await).await.unwrap();
        proxy.set(Fault::Delay(Duration::from_millis(40))).await;
        let before = tokio::time::Instant::now();
        assert_eq!(&echo(&proxy).await.unwrap(), b"hi");
        assert!(before.elapsed() >= Duration::from_millis(40));
    }
}
