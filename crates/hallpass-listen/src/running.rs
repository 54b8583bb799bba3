//! The handle of a running server, and its shutdown.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::stop_signals::StopSignals;

/// How long connections that are cut off may take to be gone: one that holds its thread cannot be ended.
const CUT_LIMIT: Duration = Duration::from_secs(1);

/// A server that serves requests.
///
/// Dropped, it ends at once, with its connections and the requests on them; [`shutdown_within`](Self::shutdown_within)
/// lets those finish.
#[derive(Debug)]
#[must_use = "dropped, the server ends"]
pub struct RunningServer {
    local_addr: SocketAddr,
    drain: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    /// The accept loop, which owns the connections.
    accepting: JoinHandle<()>,
}

/// How a shutdown went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drain {
    /// Every request in flight was answered.
    Complete,
    /// Requests that still ran at the limit were cut off.
    CutOff,
}

impl RunningServer {
    pub(crate) const fn new(
        local_addr: SocketAddr,
        drain: watch::Sender<bool>,
        cut: watch::Sender<bool>,
        accepting: JoinHandle<()>,
    ) -> Self {
        Self {
            local_addr,
            drain,
            cut,
            accepting,
        }
    }

    /// Where it listens; the port that the system chose when port 0 was asked for.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Whether it has ended. It does not end by itself unless something is wrong.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.accepting.is_finished()
    }

    /// Waits until it has ended. Use it in a `select!` beside the signals: to end by itself is a fault.
    pub async fn ended(&mut self) {
        // A handle that has given its result must not be polled again.
        if !self.accepting.is_finished() {
            let _ended = (&mut self.accepting).await;
        }
    }

    /// Serves until the process is told to stop, then ends as [`shutdown_within`](Self::shutdown_within) does. A second
    /// signal ends it at once.
    ///
    /// ```no_run
    /// # use std::{convert::Infallible, time::Duration};
    /// # use hallpass_listen::{HttpServer, StopSignals};
    /// # async fn run() -> std::io::Result<()> {
    /// let mut stop = StopSignals::install()?;
    /// # let service = tower::service_fn(|_request| async {
    /// #     Ok::<_, Infallible>(http::Response::new(http_body_util::Empty::<&[u8]>::new()))
    /// # });
    /// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    /// let running = HttpServer::new(listener).serve(move |_peer| service)?;
    /// running.serve_until_stopped(&mut stop, Duration::from_secs(10)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When it has ended by itself, which is a fault.
    pub async fn serve_until_stopped(
        mut self,
        stop: &mut StopSignals,
        limit: Duration,
    ) -> io::Result<Drain> {
        tokio::select! {
            _signal = stop.received() => {}
            () = self.ended() => return Err(io::Error::other("the server has ended by itself")),
        }
        tokio::select! {
            drain = self.shutdown_within(limit) => Ok(drain),
            // Who asks twice does not want to wait.
            _signal = stop.received() => Ok(Drain::CutOff),
        }
    }

    /// Ends it at once: the listening socket, the connections and the requests on them.
    pub fn abort(&self) {
        self.accepting.abort();
    }

    /// Closes the listening socket and idle connections, answers who was let in before, lets requests in flight finish, and cuts off what still runs
    /// after `limit`. When it returns, no request goes on; one that blocks its thread is waited for one more second.
    ///
    /// ```
    /// # use std::{convert::Infallible, time::Duration};
    /// # use hallpass_listen::{Drain, HttpServer};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// # let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    /// let running = HttpServer::new(listener).serve(|_peer| {
    ///     tower::service_fn(|_request| async {
    ///         Ok::<_, Infallible>(http::Response::new(http_body_util::Empty::<&[u8]>::new()))
    ///     })
    /// })?;
    /// assert_eq!(running.shutdown_within(Duration::from_secs(10)).await, Drain::Complete);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn shutdown_within(mut self, limit: Duration) -> Drain {
        // An error means that it has ended already.
        let _ended = self.drain.send(true);
        if tokio::time::timeout(limit, self.ended()).await.is_ok() {
            return Drain::Complete;
        }
        // The accept loop owns the connections: it ends them, and ends when they are gone.
        let _ended = self.cut.send(true);
        if tokio::time::timeout(CUT_LIMIT, self.ended()).await.is_err() {
            tracing::error!(
                "a request does not let go of its thread; its connection could not be ended"
            );
            self.abort();
        }
        Drain::CutOff
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.abort();
    }
}
