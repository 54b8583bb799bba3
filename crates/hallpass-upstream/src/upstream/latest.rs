//! The instances that nearly every call finds unchanged, for a look without a lock.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::Guard;

use super::fleet::Fleet;
use crate::discovery::Instances;

/// The list of instances that was taken over last, and what it was made into. A copy of what stands behind the lock, made once all of it is ready.
#[derive(Debug)]
pub(super) struct Latest {
    instances: Instances,
    fleet: Arc<Fleet>,
}

impl Latest {
    pub(super) fn new(instances: &Instances, fleet: &Arc<Fleet>) -> Self {
        Self {
            instances: instances.clone(),
            fleet: Arc::clone(fleet),
        }
    }

    /// No instance.
    pub(super) fn none() -> Self {
        Self::new(&Instances::none(), &Arc::default())
    }

    /// Whether it was made of `instances`, and there is one.
    pub(super) fn is_of(&self, instances: &Instances) -> bool {
        self.is_any() && self.instances == *instances
    }

    /// Whether there is an instance.
    pub(super) fn is_any(&self) -> bool {
        !self.instances.is_empty()
    }
}

/// Instances to choose among: no reference is counted in the usual case.
pub(super) enum Seen {
    Unchanged(Guard<Arc<Latest>>),
    New(Arc<Fleet>),
}

impl Deref for Seen {
    type Target = Fleet;

    fn deref(&self) -> &Fleet {
        match self {
            Self::Unchanged(latest) => &latest.fleet,
            Self::New(fleet) => fleet,
        }
    }
}
