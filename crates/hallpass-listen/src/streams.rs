//! The tasks of a connection that speaks HTTP/2, one a request.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use hyper::rt::Executor;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::panics;

/// Where a connection's requests run. A clone shares them; when `Owned` is dropped, they end.
#[derive(Clone, Debug)]
pub(crate) struct Streams {
    tasks: Arc<Mutex<JoinSet<()>>>,
    working: mpsc::Sender<Infallible>,
}

/// Owns the tasks of a connection.
#[derive(Debug)]
pub(crate) struct Owned(Streams);

impl Owned {
    pub(crate) fn new(working: mpsc::Sender<Infallible>) -> Self {
        Self(Streams {
            tasks: Arc::default(),
            working,
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
        let working = self.working.clone();
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        // Those that have ended leave the set here: it has no more than the streams that may be open at once, and these.
        note_ended(&mut tasks);
        tasks.spawn(async move {
            task.await;
            drop(working);
        });
    }
}

fn note_ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.try_join_next() {
        panics::note(ended);
    }
}
