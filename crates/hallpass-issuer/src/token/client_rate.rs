//! How often each client may ask for what costs more than a token: a revocation is written to the disk and told to all who follow the
//! list, a certificate is good for as long as it says.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallpass_token::ClientId;

/// So much of a rate by the second may come at once.
const BURST_OF_SECONDS: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(60 * 60);
/// More clients than this are looked through for those that have asked for nothing lately.
const MANY_CLIENTS: usize = 1_024;

/// One bucket a client. Only authenticated clients have one, so there are never more than are registered.
#[derive(Debug, Default)]
pub(crate) struct ClientRate(Mutex<HashMap<ClientId, Duration>>);

/// How often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    each: Duration,
    /// So much time's worth may come at once.
    at_once: Duration,
}

impl Rate {
    /// So many a second, ten seconds' worth at once.
    pub(crate) fn per_second(count: NonZeroU32) -> Self {
        Self {
            each: Duration::from_secs(1) / count.get(),
            at_once: BURST_OF_SECONDS,
        }
    }

    /// So many an hour, all of them at once.
    pub(crate) fn per_hour(count: NonZeroU32) -> Self {
        Self {
            each: HOUR / count.get(),
            at_once: HOUR,
        }
    }
}

impl Rate {
    /// Whether one more may come of a bucket that is full again at `full_at`.
    fn check(self, full_at: Duration, now: Duration) -> Result<(), Duration> {
        let burst = self.at_once.saturating_sub(self.each);
        let ahead = full_at.saturating_sub(now);
        match ahead > burst {
            true => Err(ahead.saturating_sub(burst)),
            false => Ok(()),
        }
    }
}

impl ClientRate {
    /// Whether `client` has one request left of `rate` at `now`. Takes nothing.
    ///
    /// # Errors
    /// How long to wait for the next one.
    pub(crate) fn check(
        &self,
        client: &ClientId,
        rate: Rate,
        now: Duration,
    ) -> Result<(), Duration> {
        let full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let moment = full_at.get(client).copied();
        moment.map_or(Ok(()), |moment| rate.check(moment, now))
    }

    /// Takes one request of `client` at `now`, a moment of a monotonic clock, when it has one left of `rate`.
    ///
    /// # Errors
    /// How long to wait for the next one. A request that is refused takes nothing.
    pub(crate) fn take(
        &self,
        client: &ClientId,
        rate: Rate,
        now: Duration,
    ) -> Result<(), Duration> {
        let mut full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() > MANY_CLIENTS {
            full_at.retain(|_, moment| now < *moment);
        }
        // When its bucket is full again.
        let moment = full_at.get(client).map_or(now, |moment| now.max(*moment));
        rate.check(moment, now)?;
        full_at.insert(client.clone(), moment.saturating_add(rate.each));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn five() -> Rate {
        Rate::per_second(NonZeroU32::new(5).unwrap())
    }

    #[test]
    fn ten_seconds_worth_at_once_and_then_the_rate_for_each_client_alone() {
        let (limit, start) = (ClientRate::default(), Duration::from_secs(1_000));
        let (one, other) = ("one".parse().unwrap(), "other".parse().unwrap());
        let taken = |client, now| {
            (0..100)
                .take_while(|_| limit.take(client, five(), now).is_ok())
                .count()
        };
        assert_eq!(limit.check(&one, five(), start), Ok(()));
        assert_eq!(taken(&one, start), 50);
        assert_eq!(
            limit.check(&one, five(), start),
            Err(Duration::from_millis(200))
        );
        let wait = limit.take(&one, five(), start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
        assert_eq!(
            limit.take(&one, five(), start),
            Err(wait),
            "a refusal takes nothing"
        );
        assert_eq!(taken(&other, start), 50);
        assert_eq!(taken(&one, start + wait), 1);
        assert_eq!(taken(&one, start + Duration::from_secs(1)), 4);
        assert_eq!(taken(&one, start + Duration::from_secs(3_600)), 50);
    }

    #[test]
    fn an_hours_worth_at_once_and_then_one_by_one() {
        let (limit, client) = (ClientRate::default(), "one".parse().unwrap());
        let rate = Rate::per_hour(NonZeroU32::new(60).unwrap());
        let taken = |minute: u64| {
            let now = Duration::from_secs(60 * minute);
            (0..100)
                .take_while(|_| limit.take(&client, rate, now).is_ok())
                .count()
        };
        assert_eq!((taken(1_000), taken(1_001)), (60, 1));
        assert_eq!(taken(2_000), 60);
    }

    #[test]
    fn who_has_asked_for_nothing_lately_is_forgotten() {
        let limit = ClientRate::default();
        for number in 0..2_000_u64 {
            let client = format!("client-{number}").parse().unwrap();
            limit
                .take(&client, five(), Duration::from_secs(number))
                .unwrap();
        }
        assert!(limit.0.lock().unwrap().len() <= MANY_CLIENTS + 1);
    }
}
