//! How often each client may ask for a token to be revoked: every entry is written to the disk and told to all who follow the list.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hallpass_token::ClientId;

/// So many seconds' worth may come at once.
const BURST_SECONDS: u32 = 10;
/// More clients than this are looked through for those that have asked for nothing lately.
const MANY_CLIENTS: usize = 1_024;

/// One bucket a client. Only authenticated clients have one, so there are never more than are registered.
#[derive(Debug, Default)]
pub(crate) struct RevokeLimit(Mutex<HashMap<ClientId, Duration>>);

impl RevokeLimit {
    /// Takes one request of `client` at `now`, a moment of a monotonic clock, when it has one left of `per_second`.
    ///
    /// # Errors
    /// How long to wait for the next one. A request that is refused takes nothing.
    pub(crate) fn take(
        &self,
        client: &ClientId,
        per_second: NonZeroU32,
        now: Duration,
    ) -> Result<(), Duration> {
        let each = Duration::from_secs(1) / per_second.get();
        let burst = Duration::from_secs(u64::from(BURST_SECONDS)).saturating_sub(each);
        let mut full_at = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() > MANY_CLIENTS {
            full_at.retain(|_, moment| now < *moment);
        }
        // When its bucket is full again.
        let moment = full_at.get(client).map_or(now, |moment| now.max(*moment));
        let ahead = moment.saturating_sub(now);
        if ahead > burst {
            return Err(ahead.saturating_sub(burst));
        }
        full_at.insert(client.clone(), moment.saturating_add(each));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: NonZeroU32 = NonZeroU32::new(5).unwrap();

    #[test]
    fn ten_seconds_worth_at_once_and_then_the_rate_for_each_client_alone() {
        let (limit, start) = (RevokeLimit::default(), Duration::from_secs(1_000));
        let (one, other) = ("one".parse().unwrap(), "other".parse().unwrap());
        let taken = |client, now| {
            (0..100)
                .take_while(|_| limit.take(client, FIVE, now).is_ok())
                .count()
        };
        assert_eq!(taken(&one, start), 50);
        let wait = limit.take(&one, FIVE, start).unwrap_err();
        assert_eq!(wait, Duration::from_millis(200));
        assert_eq!(
            limit.take(&one, FIVE, start),
            Err(wait),
            "a refusal takes nothing"
        );
        assert_eq!(taken(&other, start), 50);
        assert_eq!(taken(&one, start + wait), 1);
        assert_eq!(taken(&one, start + Duration::from_secs(1)), 4);
        assert_eq!(taken(&one, start + Duration::from_secs(3_600)), 50);
    }

    #[test]
    fn who_has_asked_for_nothing_lately_is_forgotten() {
        let limit = RevokeLimit::default();
        for number in 0..2_000_u64 {
            let client = format!("client-{number}").parse().unwrap();
            limit
                .take(&client, FIVE, Duration::from_secs(number))
                .unwrap();
        }
        assert!(limit.0.lock().unwrap().len() <= MANY_CLIENTS + 1);
    }
}
