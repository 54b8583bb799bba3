//! Changes: one at a time, each to its end, each with its audit event.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot::{Sender, channel};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::call::Call;
use super::fault::AdminFault;
use super::idempotency::{Before, Idempotency, NamedAttempt, REMEMBERED};
use super::made::Made;
use super::problem::Problem;
use crate::audit::administration::Administration;
use crate::audit::{AuditEvent, Decision};
use crate::core::Core;
use crate::store::asking::Asking;
use crate::token::attempt::Attempt;

/// Most changes that wait for their turn, or are under way; one more is refused. Of those that wait for no turn there may be as many.
const MAX_WAITING: usize = 32;
/// For how long it is asked whether a change counts whose commit got no response. Of a named attempt for as long as its name is remembered.
const ASK_FOR: Duration = Duration::from_secs(60);
/// Most requests that read the store at once, which has four connections where it is a database: what tokens, refresh tokens and changes need of it
/// must not wait for who looks.
const MAX_READS: usize = 2;
/// How long a change waits for its turn, and then is not made.
const TURN_PATIENCE: Duration = Duration::from_secs(3);
/// How long whoever asked for a change waits for it, from its turn on. It goes on: its end is in the audit log, and the response to a named attempt is remembered.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long one more waits for its turn.
const READ_PATIENCE: Duration = Duration::from_secs(2);
/// What stands in audit events in place of a grant.
const ADMIN: &str = "admin";
/// What audit events call a change that was made.
const DONE: &str = "done";
/// And one that was made before, of which nothing but the response was given again.
const REPEATED: &str = "repeated";

/// What the requests of administrators share.
pub(super) struct Desk {
    pub(super) core: Arc<Core>,
    /// What was responded lately to attempts that have a name.
    pub(super) made: Idempotency<Made>,
    places: Arc<Semaphore>,
    places_at_once: Arc<Semaphore>,
    turn: Semaphore,
    reads: Semaphore,
}

/// What is changed: by which name audit events call that, and what is changed by it.
pub(super) struct What {
    action: &'static str,
    object: Option<String>,
    is_at_once: bool,
    asks_for: Duration,
}

impl What {
    /// This is done.
    pub(super) const fn new(action: &'static str) -> Self {
        Self {
            action,
            object: None,
            is_at_once: false,
            asks_for: ASK_FOR,
        }
    }

    /// To this.
    pub(super) fn to(mut self, object: &str) -> Self {
        self.object = Some(object.to_owned());
        self
    }

    /// It stops somebody, and waits for no other change of this process.
    ///
    /// It may, since nothing rests on the turn: other replicas and commands change the same store and know nothing of it. What a change has read is held
    /// against the store in the transaction that writes, which has the lock of all writers. The turn is there so that changes do not take
    /// all connections from what tokens need.
    pub(super) const fn at_once(mut self) -> Self {
        self.is_at_once = true;
        self
    }
}

impl Desk {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            made: Idempotency::default(),
            places: Arc::new(Semaphore::new(MAX_WAITING)),
            places_at_once: Arc::new(Semaphore::new(MAX_WAITING)),
            turn: Semaphore::new(1),
            reads: Semaphore::new(MAX_READS),
        }
    }

    /// Leave to read the store, for as long as it is kept.
    ///
    /// # Errors
    /// [`AdminFault::Busy`] when others read it for too long.
    pub(super) async fn read_store(&self) -> Result<SemaphorePermit<'_>, Problem> {
        let leave = timeout(READ_PATIENCE, self.reads.acquire()).await;
        // It is never closed.
        leave
            .ok()
            .and_then(Result::ok)
            .ok_or_else(|| AdminFault::Busy.into())
    }

    /// Does `work` in a task of its own: whoever asked may go away, and what was written must count and be told all the same.
    ///
    /// # Errors
    /// What `work` gives, and [`AdminFault::Busy`].
    pub(super) async fn change<T, F>(
        self: &Arc<Self>,
        call: Call,
        what: What,
        work: impl FnOnce(Arc<Core>) -> F + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Problem>> + Send + 'static,
    {
        let work = |core| {
            let working = work(core);
            async move { Ok((working.await?, DONE)) }
        };
        self.change_or_repeat(call, what, work).await
    }

    /// The same, of what says by itself how its audit event calls what came of it.
    async fn change_or_repeat<T, F>(
        self: &Arc<Self>,
        call: Call,
        what: What,
        work: impl FnOnce(Arc<Core>) -> F + Send + 'static,
    ) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: Future<Output = Result<(T, &'static str), Problem>> + Send + 'static,
    {
        let desk = Arc::clone(self);
        let places = match what.is_at_once {
            true => &self.places_at_once,
            false => &self.places,
        };
        let place = Arc::clone(places).try_acquire_owned();
        let (begins, begun) = channel();
        let mut task = tokio::spawn(async move {
            let result = match place {
                Ok(_place) => {
                    let work = work(Arc::clone(&desk.core));
                    desk.in_turn(&what, begins, work).await
                }
                Err(_full) => Err(AdminFault::Busy.into()),
            };
            let outcome = match &result {
                Ok((_, outcome)) => outcome,
                Err(problem) => problem.code(),
            };
            let event = Administration {
                actor: Some(call.actor.name),
                proof: Some(call.actor.proof),
                jti: call.actor.jti,
                ..Administration::new(what.action, outcome)
            };
            let event = event.of(what.object.as_deref());
            if let Some(event) = desk.event(event, call.attempt) {
                desk.core.audit().record_change(event).await;
            }
            result.map(|(made, _)| made)
        });
        // It ends by itself when its turn does not come.
        let _begun = begun.await;
        match timeout(PATIENCE, &mut task).await {
            Ok(ended) => ended.unwrap_or_else(|_| Err(AdminFault::Internal.into())),
            Err(_late) => Err(AdminFault::OutcomeUnknown.into()),
        }
    }

    /// Does `work` in its turn, if it needs one, and says when it `begins`. Once the database is asked whether it counts the turn is another one's: the work is written
    /// or will not be, has no connection any more, and what others write meanwhile it does not mind.
    async fn in_turn<T>(
        &self,
        what: &What,
        begins: Sender<()>,
        work: impl Future<Output = Result<T, Problem>>,
    ) -> Result<T, Problem> {
        let turn = match what.is_at_once {
            true => None,
            // It is never closed.
            false => match timeout(TURN_PATIENCE, self.turn.acquire()).await {
                Ok(turn) => turn.ok(),
                Err(_late) => return Err(AdminFault::Busy.into()),
            },
        };
        // Whoever asked may have gone.
        let _heard = begins.send(());
        let asking = Asking::for_at_most(what.asks_for);
        let mut work = pin!(asking.of(work));
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = asking.begun() => drop(turn),
        }
        work.await
    }

    /// The same; what is responded to a named attempt is remembered, and is the response to the same one later. Nothing is done then. While nobody
    /// can say whether the first one counts it is asked on, and nothing is done for the same one either.
    ///
    /// # Errors
    /// As [`change`](Self::change), and [`AdminFault::IdempotencyKeyReused`].
    pub(super) async fn change_once<F>(
        self: &Arc<Self>,
        call: Call,
        mut what: What,
        attempt: Option<NamedAttempt>,
        work: impl FnOnce(Arc<Core>) -> F + Send + 'static,
    ) -> Result<Made, Problem>
    where
        F: Future<Output = Result<Made, Problem>> + Send + 'static,
    {
        let Some(attempt) = attempt else {
            return self.change(call, what, work).await;
        };
        what.asks_for = REMEMBERED;
        let (desk, actor) = (Arc::clone(self), call.actor.whose());
        let changed = self.change_or_repeat(call, what, async move |core| {
            let now = core.clock().monotonic();
            let (name, asked) = ((actor.as_str(), attempt.key()), attempt.asked());
            match desk.made.find(name, asked, now)? {
                Some(Before::Made(made)) => return Ok((made, REPEATED)),
                Some(Before::Open) => return Err(AdminFault::OutcomeUnknown.into()),
                None => desk.made.begin(name, asked, now),
            }
            let made = work(Arc::clone(&core)).await;
            match &made {
                Ok(made) => {
                    let now = core.clock().monotonic();
                    desk.made.remember(name, asked, (made.clone(), now));
                }
                Err(problem) if problem.fault == AdminFault::OutcomeUnknown => {}
                Err(_) => desk.made.forget(name),
            }
            Ok((made?, DONE))
        });
        changed.await
    }

    /// Puts the event of a request that was refused into the audit log.
    pub(super) fn record(&self, event: Administration, attempt: Attempt) {
        if let Some(event) = self.event(event, attempt) {
            self.core.audit().record(event);
        }
    }

    /// `None` when nobody reads it.
    fn event(&self, event: Administration, attempt: Attempt) -> Option<AuditEvent> {
        self.core.audit().is_read().then(|| AuditEvent {
            at: attempt.now,
            source: attempt.source,
            trace: attempt.trace,
            grant: ADMIN,
            decision: Decision::Administration(Box::new(event)),
        })
    }
}
