//! Begins each call in its moment.

use std::future::Future;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

use super::arguments::LoadArguments;
use super::ended::{Ended, TIMEOUT};
use super::measured::Measured;

/// How long a wait for a place goes on before it looks whether the run was ended.
const LOOK: Duration = Duration::from_millis(50);

/// What the calls of a run have in common.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) load: LoadArguments,
    pub(super) begun: Instant,
    pub(super) places: Arc<Semaphore>,
    measured: Arc<Mutex<Measured>>,
}

/// Whether a call may begin.
enum Place {
    Taken(OwnedSemaphorePermit),
    NoneInTime,
    Stopped,
}

impl Run {
    /// Begins now.
    pub(super) fn new(load: &LoadArguments, measured: Measured) -> Self {
        let places = usize::try_from(load.concurrency).unwrap_or(usize::MAX);
        Self {
            load: load.clone(),
            begun: Instant::now(),
            places: Arc::new(Semaphore::new(places)),
            measured: Arc::new(Mutex::new(measured)),
        }
    }

    /// Begins one call after the other, on a thread of its own that may block: a thread waits more exactly than tokio's timer, which knows
    /// whole milliseconds. Returns after the last one, or as soon as nobody has the other end of `stopped` any more.
    pub(super) fn dispatch<C, F>(&self, call: &Arc<C>, tasks: &Handle, stopped: &Receiver<()>)
    where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Ended> + Send + 'static,
    {
        for number in 0..self.load.calls() {
            let moment = self.begun + self.load.moment(number);
            let wait = moment.saturating_duration_since(Instant::now());
            if !matches!(stopped.recv_timeout(wait), Err(RecvTimeoutError::Timeout)) {
                return;
            }
            let counts = self.counts(number);
            match self.place(moment, tasks, stopped) {
                Place::Taken(place) => {
                    if counts {
                        self.with(Measured::started);
                    }
                    self.start(call, tasks, (moment, counts, place));
                }
                Place::NoneInTime => {
                    if counts {
                        self.with(|it| it.not_started(moment.elapsed()));
                    }
                }
                Place::Stopped => return self.leave_due(number),
            }
        }
    }

    /// Whether a call is behind the warm-up.
    fn counts(&self, number: u64) -> bool {
        self.load.moment(number) >= self.load.warm_up
    }

    fn place(&self, moment: Instant, tasks: &Handle, stopped: &Receiver<()>) -> Place {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Place::Taken(place);
        }
        let limit = moment + self.load.timeout;
        loop {
            let now = Instant::now();
            if now >= limit {
                return Place::NoneInTime;
            }
            let look = limit.min(now + LOOK);
            let free = Arc::clone(&self.places).acquire_owned();
            // The timer needs the runtime around it when it is made, too.
            if let Ok(Ok(place)) = tasks.block_on(async { timeout_at(look, free).await }) {
                return Place::Taken(place);
            }
            if !matches!(
                stopped.recv_timeout(Duration::ZERO),
                Err(RecvTimeoutError::Timeout)
            ) {
                return Place::Stopped;
            }
        }
    }

    /// The run was ended while calls waited for a place: their moment has come, so they count.
    fn leave_due(&self, from: u64) {
        let now = Instant::now();
        for number in from..self.load.calls() {
            let moment = self.begun + self.load.moment(number);
            if moment > now {
                return;
            }
            if self.counts(number) {
                self.with(|it| it.not_started(now - moment));
            }
        }
    }

    fn start<C, F>(
        &self,
        call: &Arc<C>,
        tasks: &Handle,
        (moment, counts, place): (Instant, bool, OwnedSemaphorePermit),
    ) where
        C: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Ended> + Send + 'static,
    {
        let (call, run) = (Arc::clone(call), self.clone());
        let sent = Instant::now();
        tasks.spawn(async move {
            let ended = timeout(run.load.timeout, call()).await;
            let ended = ended.unwrap_or(Ended::Failed(TIMEOUT));
            if counts {
                let now = Instant::now();
                let took = now - (run.begun + run.load.warm_up);
                run.with(|it| {
                    it.ended(ended, (now - moment, now - sent));
                    it.took = it.took.max(took);
                });
            }
            drop(place);
        });
    }

    /// What was measured so far.
    pub(super) fn measured(&self) -> Measured {
        let measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        measured.clone()
    }

    fn with<T>(&self, change: impl FnOnce(&mut Measured) -> T) -> T {
        let mut measured = self.measured.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut measured)
    }
}
