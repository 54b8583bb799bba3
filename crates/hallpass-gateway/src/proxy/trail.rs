//! Where a request went, for the access log.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hallpass_upstream::Instance;

/// The attempts that were made for a request. Locked for a few instructions, by the request alone.
#[derive(Debug, Default)]
pub(crate) struct Trail(Mutex<Went>);

/// How often it went out, and where to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Went {
    pub(crate) attempts: u32,
    /// That of the last attempt.
    pub(crate) instance: Option<Instance>,
}

impl Trail {
    /// It goes out, to this instance.
    pub(crate) fn goes_to(&self, instance: &Instance) {
        let mut went = self.locked();
        went.attempts = went.attempts.saturating_add(1);
        went.instance = Some(instance.clone());
    }

    /// What has come of it so far.
    pub(crate) fn went(&self) -> Went {
        self.locked().clone()
    }

    fn locked(&self) -> MutexGuard<'_, Went> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
