//! Who is called when something happens to a connection.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use super::keeper::Bell;

/// The one waker that a connection ever has. Whoever is to be called is changed here, so that nothing has to be made known to the socket when a
/// connection goes from one task to another.
#[derive(Debug)]
pub(super) struct Alarm {
    bell: Arc<Bell>,
    whom: Mutex<Whom>,
}

#[derive(Debug)]
enum Whom {
    Nobody,
    /// Whoever looks after unused connections.
    Keeper,
    /// Who uses it.
    Task(Waker),
}

impl Alarm {
    pub(super) fn new(bell: &Arc<Bell>) -> Arc<Self> {
        Arc::new(Self {
            bell: Arc::clone(bell),
            whom: Mutex::new(Whom::Nobody),
        })
    }

    /// A task uses the connection: it looks what has happened, and is called once when something happens after that.
    pub(super) fn call_task(&self, waker: &Waker) {
        let mut whom = self.whom();
        if !matches!(&*whom, Whom::Task(known) if known.will_wake(waker)) {
            let before = mem::replace(&mut *whom, Whom::Task(waker.clone()));
            drop(whom);
            // It may be the last one of its task.
            drop(before);
        }
    }

    /// Nobody uses the connection. Whether something may have happened since it was looked at.
    pub(super) fn call_keeper(&self) -> bool {
        !matches!(self.replace(Whom::Keeper), Whom::Task(_))
    }

    /// Nobody waits for anything at the moment.
    pub(super) fn call_nobody(&self) {
        self.replace(Whom::Nobody);
    }

    fn replace(&self, next: Whom) -> Whom {
        mem::replace(&mut *self.whom(), next)
    }

    fn whom(&self) -> MutexGuard<'_, Whom> {
        self.whom.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut whom = self.whom();
        if matches!(&*whom, Whom::Keeper) {
            self.bell.ring();
        } else if let Whom::Task(task) = mem::replace(&mut *whom, Whom::Nobody) {
            drop(whom);
            task.wake();
        }
    }
}
