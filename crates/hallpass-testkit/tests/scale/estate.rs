//! The whole estate: its instances, and what happens to it.

use std::sync::{Arc, Mutex, PoisonError};

use hallpass::upstream::random_below;
use hallpass_testkit::TokioClock;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until};

use crate::counts::Counts;
use crate::instance::{Callees, Instance, Makings, within};
use crate::issuer::Issuer;
use crate::plan::{ANNOUNCED, BETWEEN_RESTARTS, Plan, RESTART_TAKES};
use crate::shared_cache::{SharedCache, TierOfService};

/// Where instances run, one after the other.
struct Slot {
    service: usize,
    running: Mutex<Option<(Arc<Instance>, JoinHandle<()>)>>,
}

struct Estate {
    plan: Plan,
    makings: Makings,
    slots: Vec<Slot>,
    tiers: Vec<Arc<TierOfService>>,
}

/// Simulates what `plan` says. Time must be paused.
pub(crate) async fn simulate(plan: &Plan) -> Arc<Counts> {
    let start = Instant::now();
    let (clock, counts) = (TokioClock::new(), Arc::new(Counts::new(start)));
    let issuer = Issuer::new(plan, clock, &counts);
    let makings = Makings {
        transport: issuer.transport(),
        clock,
        counts: Arc::clone(&counts),
        services: plan.services,
        audiences: plan.audiences,
        calls_every: plan.calls_every,
    };
    let shared = SharedCache::new(&counts);
    let tiers = (0..plan.services).map(|_| shared.of_service());
    let slot = |number: usize| Slot {
        service: number % plan.services,
        running: Mutex::default(),
    };
    let estate = Arc::new(Estate {
        tiers: tiers.filter(|_| plan.has_shared_cache).collect(),
        slots: (0..plan.instances()).map(slot).collect(),
        plan: plan.clone(),
        makings,
    });
    for slot in 0..estate.slots.len() {
        let estate = Arc::clone(&estate);
        tokio::spawn(async move {
            sleep(within(estate.plan.start_within)).await;
            estate.start(slot);
        });
    }
    for service in 0..plan.services {
        tokio::spawn(deploy(Arc::clone(&estate), service));
    }
    tokio::spawn(rotate(Arc::clone(&issuer), start + plan.rotation));
    for (from, to) in plan.outages.clone() {
        let issuer = Arc::clone(&issuer);
        tokio::spawn(async move {
            sleep_until(start + from).await;
            issuer.is_away(true);
            sleep_until(start + to).await;
            issuer.is_away(false);
        });
    }
    tokio::spawn(taint(Arc::clone(&estate), issuer, start + plan.taint));
    sleep_until(start + plan.length).await;
    estate.stop();
    counts
}

/// Every instance of a service is replaced, one after the other.
async fn deploy(estate: Arc<Estate>, service: usize) {
    let (from, to) = estate.plan.deployments;
    sleep(from + within(to - from)).await;
    for number in 0..estate.plan.instances_of_each {
        let slot = number * estate.plan.services + service;
        estate.end(slot);
        sleep(RESTART_TAKES).await;
        estate.start(slot);
        sleep(BETWEEN_RESTARTS).await;
    }
}

async fn rotate(issuer: Arc<Issuer>, at: Instant) {
    sleep_until(at - ANNOUNCED).await;
    let next = issuer.announce();
    sleep_until(at).await;
    issuer.sign_with(next);
}

/// A moment before, each instance is told what to look for.
async fn taint(estate: Arc<Estate>, issuer: Arc<Issuer>, at: Instant) {
    sleep_until(at).await;
    let instances = estate.instances();
    let marks = instances.iter().find_map(|it| it.any_marks());
    let Some(marks) = marks else { return };
    for instance in instances {
        instance.watches(marks, at);
    }
    issuer.taint();
}

impl Estate {
    fn start(self: &Arc<Self>, slot: usize) {
        let Slot { service, running } = &self.slots[slot];
        let instance = Instance::new(&self.makings, *service, self.tiers.get(*service));
        let task = instance.run(self);
        *running.lock().unwrap_or_else(PoisonError::into_inner) = Some((instance, task));
    }

    fn end(&self, slot: usize) {
        let running = &self.slots[slot].running;
        let ended = running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some((_, task)) = ended {
            task.abort();
        }
    }

    fn stop(&self) {
        (0..self.slots.len()).for_each(|slot| self.end(slot));
    }

    fn instances(&self) -> Vec<Arc<Instance>> {
        let slots = 0..self.slots.len();
        slots.filter_map(|slot| self.instance(slot)).collect()
    }

    fn instance(&self, slot: usize) -> Option<Arc<Instance>> {
        let running = self.slots[slot].running.lock();
        let running = running.unwrap_or_else(PoisonError::into_inner);
        running.as_ref().map(|(instance, _)| Arc::clone(instance))
    }
}

impl Callees for Estate {
    fn one_of(&self, service: usize) -> Option<Arc<Instance>> {
        let number = random_below(self.plan.instances_of_each as u64);
        self.instance(usize::try_from(number).ok()? * self.plan.services + service)
    }
}
