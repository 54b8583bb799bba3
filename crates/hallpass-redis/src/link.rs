//! The task that keeps connections to Redis, so that no call has to make one.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hallpass_upstream::{Reminders, random_fraction};
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use crate::error::RedisError;
use crate::metrics::RedisMetrics;
use crate::plan::Plan;
use crate::routes::Routes;

/// Shortest and longest pause between attempts to connect; it doubles from one to the next.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that was good for this long was a good one: the next pause is the first again.
const STEADY_AFTER: Duration = Duration::from_secs(5);
/// How often connections are looked at when nothing happens: a server that is gone without a word, a failover without an error.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The connections of one tier. Dropping it ends the task.
pub(crate) struct Link {
    core: Arc<Core>,
    task: Mutex<Option<AbortHandle>>,
}

/// What the task and the callers share.
pub(crate) struct Core {
    pub(crate) plan: Plan,
    pub(crate) metrics: RedisMetrics,
    state: watch::Sender<LinkState>,
    suspicion: Notify,
    is_doubted: AtomicBool,
    said: Reminders,
}

/// Whether there are connections.
#[derive(Clone, Debug)]
pub(crate) enum LinkState {
    /// The first attempt is under way.
    Starting,
    Up(Routes),
    Down,
    /// Nobody needs them any more.
    Ended,
}

impl Link {
    pub(crate) fn new(plan: Plan, metrics: RedisMetrics) -> Self {
        Self {
            core: Arc::new(Core {
                plan,
                metrics,
                state: watch::Sender::new(LinkState::Starting),
                suspicion: Notify::new(),
                is_doubted: AtomicBool::new(false),
                said: Reminders::default(),
            }),
            task: Mutex::default(),
        }
    }

    /// Starts the task, unless it runs. Without a runtime it is started by the first call in one.
    pub(crate) fn start(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        if task.is_some() {
            tracing::warn!(
                "the task that keeps the connection to Redis has ended, it is started again"
            );
        }
        self.core.state.send_replace(LinkState::Starting);
        let core = Arc::clone(&self.core);
        *task = Some(runtime.spawn(core.run()).abort_handle());
    }

    /// The connections now. While the very first attempt is under way it waits for that: give it a limit.
    pub(crate) async fn routes(&self) -> Result<Routes, RedisError> {
        self.start();
        let mut state = self.core.state.subscribe();
        let state = state
            .wait_for(|state| !matches!(state, LinkState::Starting))
            .await;
        match state.as_deref() {
            Ok(LinkState::Up(routes)) => Ok(routes.clone()),
            _ => Err(RedisError::NotConnected),
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.core
    }
}

impl Core {
    /// A call got no response: the servers are asked whether they are there.
    pub(crate) fn suspect(&self) {
        self.suspicion.notify_one();
    }

    /// A server has said that it is not the one to ask.
    pub(crate) fn doubt(&self) {
        self.is_doubted.store(true, Ordering::Relaxed);
        self.suspicion.notify_one();
    }

    pub(crate) fn watch(&self) -> watch::Receiver<LinkState> {
        self.state.subscribe()
    }

    async fn run(self: Arc<Self>) {
        let mut pause = FIRST_PAUSE;
        let mut last: Option<Routes> = None;
        loop {
            match self.plan.connect(last.as_ref()).await {
                Ok(routes) => {
                    self.metrics.connect_ended(true);
                    if self.said.is_due("connected") {
                        tracing::info!(routes = ?routes, "connected to Redis");
                    }
                    let began = Instant::now();
                    last = Some(self.keep(routes).await);
                    if began.elapsed() >= STEADY_AFTER {
                        pause = FIRST_PAUSE;
                        self.said.over();
                    }
                    if self.said.is_due("lost") {
                        tracing::warn!(
                            "the connection to Redis is lost: tokens are asked of the issuer until it is back"
                        );
                    }
                }
                Err(error) => {
                    self.metrics.connect_ended(false);
                    self.say_failed(&error);
                }
            }
            self.publish(LinkState::Down);
            tokio::time::sleep(jittered(pause)).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    /// What is wrong, once in an outage; that it is something else now, once more.
    fn say_failed(&self, error: &RedisError) {
        let is_due = self.said.is_due(error.kind());
        match (is_due, error.is_login()) {
            (false, _) => tracing::debug!(%error, "Redis cannot be reached"),
            (true, false) => {
                tracing::warn!(%error, "Redis cannot be reached: tokens are asked of the issuer until it can");
            }
            (true, true) => {
                tracing::error!(%error, "Redis does not let us in: tokens are asked of the issuer until it does; see `username` and `password` of the section `redis`");
            }
        }
    }

    /// Uses `routes` until new connections are needed, and returns the last ones.
    async fn keep(&self, mut routes: Routes) -> Routes {
        let mut pause = FIRST_PAUSE;
        loop {
            self.publish(LinkState::Up(routes.clone()));
            let look_after = match routes.is_complete() {
                true => LOOK_EVERY,
                false => pause,
            };
            tokio::select! {
                () = routes.changed() => {}
                () = self.suspicion.notified() => {}
                () = tokio::time::sleep(look_after) => {}
            }
            let is_doubted = self.is_doubted.swap(false, Ordering::Relaxed);
            let Some(next) = self.plan.check(&routes, is_doubted).await else {
                return routes;
            };
            pause = match next.is_complete() {
                true => FIRST_PAUSE,
                false => pause.saturating_mul(2).min(LONGEST_PAUSE),
            };
            routes = next;
            // However many calls suspect something: one look in this time.
            tokio::time::sleep(jittered(FIRST_PAUSE)).await;
        }
    }

    fn publish(&self, state: LinkState) {
        self.metrics.is_connected(matches!(state, LinkState::Up(_)));
        self.state.send_replace(state);
    }
}

/// Between half of it and the whole: processes that lost a server together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + random_fraction() / 2.0)
}

impl Drop for Link {
    fn drop(&mut self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
        self.core.publish(LinkState::Ended);
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.core.state.borrow();
        f.debug_struct("Link")
            .field("state", &*state)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core")
            .field("plan", &self.plan)
            .finish_non_exhaustive()
    }
}
