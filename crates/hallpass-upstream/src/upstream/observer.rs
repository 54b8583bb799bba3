//! Who is told how the instances of a service are doing.

use crate::breaker::OnBreakerChange;
use crate::discovery::Instance;

/// Told which instances calls may go to, and how their breakers change; for metrics. `()` is nobody.
///
/// Both are called in the middle of a call, so they must be quick.
pub trait InstanceObserver: Send + Sync + 'static {
    /// An instance has come, its breaker closed. What is returned is told of each change of that breaker, for as long as
    /// a call to the instance is under way, even when the instance has left.
    fn instance_joined(&self, instance: &Instance) -> OnBreakerChange;

    /// An instance is no longer among those of the service, or the [`Upstream`](crate::Upstream) is gone.
    fn instance_left(&self, instance: &Instance);
}

impl InstanceObserver for () {
    fn instance_joined(&self, _: &Instance) -> OnBreakerChange {
        Box::new(|_| ())
    }

    fn instance_left(&self, _: &Instance) {}
}
