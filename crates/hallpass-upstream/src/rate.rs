//! How many calls begin in a period: as Sentinel's flow rules, whose behaviours these are.

mod keyed;
mod pace;
mod places;
mod shards;
mod shared;
mod store;
mod values;
mod warm_up;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::settings::{RateBehaviour, RateSettings};
use pace::Pace;
use warm_up::WarmUp;

pub use keyed::{KeyedRates, Left, Quota};
pub use places::{KeyedPlace, KeyedPlaces};
pub use shared::{RateAsked, RateRefusal, RatesAway, SharedRates};
pub use store::{Grant, RateStore, RateStoreError};
pub use values::KeyedValues;

/// Shortest period, whatever was set.
const SHORTEST_PERIOD: Duration = Duration::from_millis(1);
/// Most calls that wait for their turn.
const MAX_WAITING: u32 = 10_000;

/// A limit that many calls share. The lock is held for a few instructions and never across an await.
#[derive(Debug)]
pub(crate) struct Rate {
    /// How long a refused call is told to wait when nothing is let through at all.
    period: Duration,
    shape: Mutex<Shape>,
}

#[derive(Clone, Debug)]
enum Shape {
    Nothing,
    /// As many turns as a period has may be taken before their time.
    Bucket(Pace),
    WarmUp(WarmUp),
    /// Each turn is waited for.
    Queue(Pace),
    /// As many turns as a period has may be taken so long before their time, and later ones are waited for.
    BurstQueue(Pace, Duration),
    WarmUpQueue(WarmUp, Pace),
}

impl Rate {
    pub(crate) fn new(settings: RateSettings) -> Self {
        let period = settings.period.max(SHORTEST_PERIOD);
        let warm_up = || WarmUp::new(settings.calls, period, settings.warm_up);
        let shape = match (period.checked_div(settings.calls), settings.behaviour) {
            (None, _) => Shape::Nothing,
            (Some(interval), RateBehaviour::Reject) => {
                let burst = period.saturating_sub(interval);
                Shape::Bucket(Pace::new(interval, burst))
            }
            (Some(_), RateBehaviour::WarmUp) => Shape::WarmUp(warm_up()),
            (Some(interval), behaviour) => {
                let most = interval.saturating_mul(MAX_WAITING);
                let patience = settings.max_wait.min(most);
                let burst = period.saturating_sub(interval);
                let pace = Pace::new(interval, patience);
                match behaviour {
                    RateBehaviour::BurstQueue => {
                        let patience = patience.saturating_add(burst);
                        Shape::BurstQueue(Pace::new(interval, patience), burst)
                    }
                    RateBehaviour::WarmUpQueue => Shape::WarmUpQueue(warm_up(), pace),
                    _ => Shape::Queue(pace),
                }
            }
        };
        Self {
            period,
            shape: Mutex::new(shape),
        }
    }

    /// Goes on with the turns that another one of the same settings has given out.
    pub(crate) fn begin_as(&self, other: &Self) {
        let shape = other.locked().clone();
        *self.locked() = shape;
    }

    /// Takes a turn, and says how long to wait for it.
    ///
    /// # Errors
    /// How long to wait before it is worth asking again; nothing was taken.
    pub(crate) fn take(&self, now: Duration) -> Result<Duration, Duration> {
        match &mut *self.locked() {
            Shape::Nothing => Err(self.period),
            Shape::Bucket(pace) => pace.take(now).map(|_| Duration::ZERO),
            Shape::WarmUp(warm_up) => warm_up.take(now).map(|()| Duration::ZERO),
            Shape::Queue(pace) => pace.take(now),
            Shape::BurstQueue(pace, burst) => {
                let wait = pace.take(now)?;
                Ok(wait.saturating_sub(*burst))
            }
            Shape::WarmUpQueue(warm_up, pace) => {
                pace.set_interval(warm_up.interval(now));
                let wait = pace.take(now)?;
                warm_up.count(now);
                Ok(wait)
            }
        }
    }

    /// Gives a turn back that was taken and not used.
    pub(crate) fn give_back(&self, now: Duration) {
        match &mut *self.locked() {
            Shape::Nothing => {}
            Shape::Bucket(pace) | Shape::Queue(pace) | Shape::BurstQueue(pace, _) => {
                pace.give_back();
            }
            Shape::WarmUp(warm_up) => warm_up.give_back(now),
            Shape::WarmUpQueue(warm_up, pace) => {
                warm_up.give_back(now);
                pace.give_back();
            }
        }
    }

    fn locked(&self) -> MutexGuard<'_, Shape> {
        self.shape.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
