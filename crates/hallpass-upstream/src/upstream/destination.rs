//! Where an attempt goes.

use std::fmt;
use std::sync::Arc;

use super::instance_state::InstanceState;
use crate::discovery::Instance;

/// A service and one of its instances. Cheap to clone: where the instance [was chosen](super::Chosen::destination), one reference is counted.
#[derive(Clone)]
pub struct Destination(Kind);

#[derive(Clone)]
enum Kind {
    Chosen(Arc<InstanceState>),
    Named(Arc<str>, Instance),
}

impl Destination {
    /// `instance`, of `service`.
    pub fn new(service: impl Into<Arc<str>>, instance: Instance) -> Self {
        Self(Kind::Named(service.into(), instance))
    }

    pub(super) fn of(state: &Arc<InstanceState>) -> Self {
        Self(Kind::Chosen(Arc::clone(state)))
    }

    /// The service that the caller means.
    #[must_use]
    pub fn service(&self) -> &str {
        match &self.0 {
            Kind::Chosen(state) => state.service(),
            Kind::Named(service, _) => service,
        }
    }

    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &Instance {
        match &self.0 {
            Kind::Chosen(state) => &state.instance,
            Kind::Named(_, instance) => instance,
        }
    }
}

impl PartialEq for Destination {
    fn eq(&self, other: &Self) -> bool {
        (self.service(), self.instance()) == (other.service(), other.instance())
    }
}

impl Eq for Destination {}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination")
            .field("service", &self.service())
            .field("instance", self.instance())
            .finish()
    }
}
