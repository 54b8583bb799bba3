//! A balancer that knows nothing but connections: each goes to the next instance that takes it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::measure::Failure;

/// On loopback; ends with all its connections when it is dropped.
pub(super) struct Balancer {
    pub(super) address: SocketAddr,
    connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Balancer {
    pub(super) async fn start(instances: Vec<SocketAddr>) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (instances, next) = (Arc::new(instances), Arc::new(AtomicUsize::new(0)));
        let connections = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((mut client, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::Relaxed);
                let (instances, next) = (Arc::clone(&instances), Arc::clone(&next));
                open.spawn(async move {
                    let first = next.fetch_add(1, Ordering::Relaxed);
                    let Some(mut server) = connect(&instances, first).await else {
                        return;
                    };
                    // Whoever ends it ends both; that one was killed is no fault of the balancer.
                    let _cut_off = copy_bidirectional(&mut client, &mut server).await;
                });
                while open.try_join_next().is_some() {}
            }
        });
        Ok(Self {
            address,
            connections,
            task,
        })
    }

    /// So far.
    pub(super) fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// To the first one that takes it, in turns.
async fn connect(instances: &[SocketAddr], first: usize) -> Option<TcpStream> {
    for number in first..first + instances.len() {
        let instance = instances.get(number % instances.len())?;
        if let Ok(stream) = TcpStream::connect(instance).await {
            return Some(stream);
        }
    }
    None
}
