//! Who is told of instances, for metrics.

use crate::breaker::OnBreakerChange;
use crate::discovery::Instance;

/// Told which instances calls may go to, how their breakers change, and what a choice went by; for metrics. `()` ignores all.
///
/// All are called in the middle of a call, so they must be quick.
pub trait InstanceObserver: Send + Sync + 'static {
    /// An instance has come, its breaker closed. What is returned is told of each change of that breaker, for as long as
    /// a call to the instance is under way, even when the instance has left.
    fn instance_joined(&self, instance: &Instance) -> OnBreakerChange;

    /// An instance is no longer among those of the service, or the [`Upstream`](crate::Upstream) is gone.
    fn instance_left(&self, instance: &Instance);

    /// An instance is left out because it has failed too many times in a row, or goes on to be. Default: nothing.
    fn instance_ejected(&self, _instance: &Instance) {}

    /// An instance that has come is left out from the start, because it was before the settings changed. Default: nothing.
    fn instance_is_out(&self, _instance: &Instance) {}

    /// An instance is not left out any more: a good response has come from it. Default: nothing.
    fn instance_returned(&self, _instance: &Instance) {}

    /// A call has gone to another zone, since too little of the own one is well. Default: nothing.
    fn call_spilled(&self) {}

    /// A call that wished for a tag has gone to an instance with it, or to one without. Default: nothing.
    fn wish_met(&self, _was_met: bool) {}
}

impl InstanceObserver for () {
    fn instance_joined(&self, _: &Instance) -> OnBreakerChange {
        Box::new(|_| ())
    }

    fn instance_left(&self, _: &Instance) {}
}
