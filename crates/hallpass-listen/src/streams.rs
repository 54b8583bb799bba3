//! The tasks of a connection that speaks HTTP/2, one a request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use hyper::rt::Executor;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::pace;
use crate::panics;
use crate::progress::Pace;

/// Where a connection's requests run. A clone shares them; when `Owned` is dropped, they end.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    tasks: Arc<Mutex<JoinSet<()>>>,
    working: mpsc::Sender<Infallible>,
    patience: Arc<Patience>,
}

/// How long a peer may take nothing of a response whose data waits for it.
#[derive(Debug)]
pub(crate) struct Patience {
    pub(crate) limit: Duration,
    pub(crate) draining: watch::Receiver<bool>,
    /// What is known of all responses of the connection.
    pub(crate) all: Pace,
    /// Counts those that were ended for it.
    pub(crate) stalled: Counter,
}

impl Patience {
    /// Does `task`, which is one request, unless its peer stalls: dropped, it gives back all that it has, and the peer gets a reset.
    async fn end(self: Arc<Self>, task: impl Future<Output = ()>) {
        let mut task = pin!(task);
        let mut stream = None;
        let mut stalls: Option<Pin<Box<dyn Future<Output = ()> + Send>>> = None;
        let has_stalled = poll_fn(|context| {
            let polled = task.as_mut().poll(context);
            // Whatever becomes of it, nothing is left for another task of this thread.
            stream = pace::take_begun().or_else(|| stream.take());
            if polled.is_ready() {
                return Poll::Ready(false);
            }
            let Some(stream) = stream.as_ref().filter(|it| it.is_waiting()) else {
                return Poll::Pending;
            };
            // Most are written at once, and need no timer.
            let stalls = stalls.get_or_insert_with(|| {
                let (this, stream) = (Arc::clone(&self), Arc::clone(stream));
                let draining = this.draining.clone();
                Box::pin(async move { stream.falls_behind(&this.all, this.limit, draining).await })
            });
            stalls.as_mut().poll(context).map(|()| true)
        });
        if has_stalled.await {
            self.stalled.inc();
        }
    }
}

/// Owns the tasks of a connection.
#[derive(Debug)]
pub(crate) struct Owned(Streams);

impl Owned {
    pub(crate) fn new(working: mpsc::Sender<Infallible>, patience: Patience) -> Self {
        Self(Streams {
            tasks: Arc::default(),
            working,
            patience: Arc::new(patience),
        })
    }

    pub(crate) fn executor(&self) -> Streams {
        self.0.clone()
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let mut tasks = self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        note_ended(&mut tasks);
        tasks.abort_all();
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, task: F) {
        let (working, patience) = (self.working.clone(), Arc::clone(&self.patience));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended leave the set here: it has no more than the streams that may be open at once, and these.
        note_ended(&mut tasks);
        tasks.spawn(async move {
            patience.end(task).await;
            drop(working);
        });
    }
}

fn note_ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.try_join_next() {
        panics::note(ended);
    }
}
