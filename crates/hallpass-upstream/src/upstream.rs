//! One service as this process sees it: where its instances are and how each of them is doing.

mod candidate;
mod choice;
mod chosen;
mod destination;
mod ejection;
mod fleet;
mod heritage;
mod in_flight;
mod instance_state;
mod latency;
mod latest;
mod observer;
mod pick;
mod ramp;
mod refusals;
mod replacement;
mod report;
mod sieve;
mod succession;
mod wish;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::settings::{BalanceSettings, BreakerSettings, EjectSettings};
use arc_swap::ArcSwap;
use hallpass_clock::Clock;
use hallpass_config::Percent;

use crate::bulkhead::BulkheadSettings;
use crate::discovery::{Discover, DiscoverError, Instance, Instances};
use crate::retry::RetryBudget;
use fleet::Fleet;
use heritage::Heritage;
use instance_state::Common;
use latency::{Usual, nanos};
use latest::{Latest, Seen};

pub use chosen::{Admitted, BodyUnderWay, Chosen};
pub use destination::Destination;
pub use observer::InstanceObserver;
pub use report::{InstanceReport, InstanceStanding};
pub use wish::Wish;

/// Where calls go.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// `lb://service`: ask discovery.
    LoadBalanced(Arc<str>),
    /// One fixed host.
    Fixed(Instance),
}

/// What is the same for all instances of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamSettings {
    /// The circuit breaker of each instance.
    pub breaker: BreakerSettings,
    /// Calls under way to each instance.
    pub bulkhead: BulkheadSettings,
    /// Retries that a call may cost, as a share of the calls.
    pub retry_budget: Percent,
    /// Which of the instances that are well are preferred.
    pub balance: BalanceSettings,
    /// When an instance that fails again and again is left out for a while.
    pub eject: EjectSettings,
}

impl UpstreamSettings {
    /// No circuit breaker, and no instance is ejected: for callers that hold back by themselves when a service is in trouble.
    #[must_use]
    pub fn without_breaker() -> Self {
        let breaker = BreakerSettings {
            enabled: false,
            ..BreakerSettings::default()
        };
        Self {
            breaker,
            eject: EjectSettings::off(),
            ..Self::default()
        }
    }
}

/// The defaults of each part, and a budget of 10 %.
impl Default for UpstreamSettings {
    fn default() -> Self {
        Self {
            breaker: BreakerSettings::default(),
            bulkhead: BulkheadSettings::default(),
            retry_budget: Percent::TENTH,
            balance: BalanceSettings::default(),
            eject: EjectSettings::default(),
        }
    }
}

/// A service that others call: chooses an instance for each attempt, and knows of each instance how busy it is and
/// whether its circuit breaker lets calls in.
///
/// One value per service and process, shared by all that call it, so that a breaker knows of all their calls.
///
/// While discovery does not answer, the instances that it gave last go on, for [`Discover::outage_memory`] (5 minutes):
/// calls to those that are gone fail with a connection error, which retry and breaker handle. That discovery knows no
/// instance is an answer, and then there is none: somebody else may have the address by now.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_upstream::{Address, StaticDiscovery, Upstream};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let discovery = StaticDiscovery::new().with("orders", ["127.0.0.1:8081".parse()?, "127.0.0.1:8082".parse()?]);
/// let address = Address::LoadBalanced("orders".into());
/// let orders = Upstream::new("orders", address, Arc::new(discovery), Arc::new(SystemClock::new()));
///
/// let first = orders.choose(&[]).await?;
/// let again = orders.choose(&[first.instance().clone()]).await?;
/// assert_ne!(first.instance(), again.instance(), "a retry goes elsewhere");
/// # Ok(())
/// # }
/// ```
pub struct Upstream {
    name: Arc<str>,
    address: Address,
    settings: UpstreamSettings,
    retry_budget: RetryBudget,
    discovery: Arc<dyn Discover>,
    common: Arc<Common>,
    /// Locked for a few instructions and never across an await.
    known: Mutex<Known>,
    /// What is known, for those who find it unchanged. Written under that lock.
    latest: ArcSwap<Latest>,
    /// When discovery last answered, in nanoseconds. Relaxed: it is compared with minutes between.
    confirmed_at: AtomicU64,
}

/// The instances that discovery gave last, with their states.
struct Known {
    instances: Instances,
    fleet: Arc<Fleet>,
    /// Who answered the last [walk](Upstream::ask_in_turn).
    begin_with: Option<Instance>,
    /// What the upstream knew whose place this one takes, until this one is asked.
    heritage: Option<Heritage>,
}

impl Upstream {
    /// A service at `address`; errors and [`Target`](crate::Target)s call it `name`. With the settings' defaults, and
    /// nobody who observes it.
    pub fn new(
        name: impl Into<Arc<str>>,
        address: Address,
        discovery: Arc<dyn Discover>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (name, settings) = (name.into(), UpstreamSettings::default());
        Self {
            common: common(&name, &settings, clock, Arc::new(())),
            name,
            address,
            retry_budget: RetryBudget::new(settings.retry_budget),
            discovery,
            settings,
            known: Mutex::new(Known {
                instances: Instances::none(),
                fleet: Arc::default(),
                begin_with: None,
                heritage: None,
            }),
            latest: ArcSwap::from_pointee(Latest::none()),
            confirmed_at: AtomicU64::new(0),
        }
    }

    /// The instances of the `lb://` service `service`, without circuit breakers: for those who pause after
    /// a failure anyway, as whoever fetches keys, lists or tokens does.
    pub fn without_breaker(
        service: &str,
        discovery: Arc<dyn Discover>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let address = Address::LoadBalanced(service.into());
        Self::new(service, address, discovery, clock)
            .with_settings(UpstreamSettings::without_breaker())
    }

    /// Other settings than the defaults.
    #[must_use]
    pub fn with_settings(mut self, settings: UpstreamSettings) -> Self {
        let Common {
            clock, observer, ..
        } = &*self.common;
        let (clock, observer) = (Arc::clone(clock), Arc::clone(observer));
        self.common = common(&self.name, &settings, clock, observer);
        self.retry_budget = RetryBudget::new(settings.retry_budget);
        self.settings = settings;
        self
    }

    /// Tells `observer` of instances and their breakers.
    #[must_use]
    pub fn with_observer(mut self, observer: impl InstanceObserver) -> Self {
        let clock = Arc::clone(&self.common.clock);
        self.common = common(&self.name, &self.settings, clock, Arc::new(observer));
        self
    }

    /// The name that tokens, the host guard and errors know this service by.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// What was set.
    #[must_use]
    pub fn settings(&self) -> &UpstreamSettings {
        &self.settings
    }

    /// The retries that all callers of the service share.
    #[must_use]
    pub fn retry_budget(&self) -> &RetryBudget {
        &self.retry_budget
    }

    /// The instances, and what time it is: `now`, unless discovery was waited for.
    async fn fleet(&self, now: Option<Duration>) -> Result<(Seen, Duration), DiscoverError> {
        let (instances, now) = match &self.address {
            Address::LoadBalanced(service) => match self.found(service, now).await {
                Ok(found) => found,
                Err(DiscoverError::NoInstance { .. }) => (Instances::none(), None),
                Err(error @ DiscoverError::Unavailable { .. }) => return self.last_known(error),
            },
            Address::Fixed(instance) => {
                let now = now.unwrap_or_else(|| self.common.clock.monotonic());
                let latest = self.latest.load();
                if latest.is_any() {
                    return Ok((Seen::Unchanged(latest), now));
                }
                let mut known = self.known();
                self.take_over(&mut known);
                if known.instances.is_empty() {
                    self.replace(&mut known, Instances::from_iter([instance.clone()]));
                }
                return Ok((self.seen(&known), now));
            }
        };
        let now = now.unwrap_or_else(|| self.common.clock.monotonic());
        let latest = self.latest.load();
        if latest.is_of(&instances) {
            self.confirmed_at.store(nanos(now), Ordering::Relaxed);
            return Ok((Seen::Unchanged(latest), now));
        }
        let mut known = self.known();
        self.take_over(&mut known);
        self.confirmed_at.store(nanos(now), Ordering::Relaxed);
        if known.instances != instances {
            self.replace(&mut known, instances);
        }
        let seen = self.seen(&known);
        match known.instances.is_empty() {
            true => Err(self.no_instance()),
            false => Ok((seen, now)),
        }
    }

    /// What is known now, for those who come later as well.
    fn seen(&self, known: &Known) -> Seen {
        let latest = Latest::new(&known.instances, &known.fleet);
        self.latest.store(Arc::new(latest));
        Seen::New(Arc::clone(&known.fleet))
    }

    async fn found(
        &self,
        service: &str,
        now: Option<Duration>,
    ) -> Result<(Instances, Option<Duration>), DiscoverError> {
        match self.discovery.at_hand(service) {
            Some(instances) => Ok((instances, now)),
            None => Ok((self.discovery.instances(service).await?, None)),
        }
    }

    /// The instances of before, unless discovery has been silent for too long: then nobody knows whose they are.
    fn last_known(&self, error: DiscoverError) -> Result<(Seen, Duration), DiscoverError> {
        let mut known = self.known();
        self.take_over(&mut known);
        let now = self.common.clock.monotonic();
        let confirmed_at = Duration::from_nanos(self.confirmed_at.load(Ordering::Relaxed));
        let silent = now.saturating_sub(confirmed_at);
        if silent > self.discovery.outage_memory() && !known.instances.is_empty() {
            self.replace(&mut known, Instances::none());
        }
        let seen = self.seen(&known);
        match known.instances.is_empty() {
            true => Err(error),
            false => Ok((seen, now)),
        }
    }

    fn no_instance(&self) -> DiscoverError {
        match &self.address {
            Address::LoadBalanced(service) => DiscoverError::no_instance(service),
            Address::Fixed(_) => DiscoverError::no_instance(&self.name),
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn common(
    name: &Arc<str>,
    settings: &UpstreamSettings,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn InstanceObserver>,
) -> Arc<Common> {
    Arc::new(Common {
        name: Arc::clone(name),
        breaker: settings.breaker,
        bulkhead: settings.bulkhead,
        balance: settings.balance,
        eject: settings.eject,
        clock,
        observer,
        usual: Usual::default(),
        is_alone: AtomicBool::new(true),
        all_clear: AtomicU64::new(0),
    })
}

impl Drop for Upstream {
    fn drop(&mut self) {
        for instance in self.known().instances.iter() {
            self.common.observer.instance_left(instance);
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream")
            .field("name", &self.name)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
