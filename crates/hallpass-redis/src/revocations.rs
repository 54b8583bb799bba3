//! Notices of revocations.

use std::fmt;
use std::time::Duration;

use futures_core::stream::BoxStream;
use hallpass_upstream::RevocationNotice;
use tokio::time::sleep;

use crate::error::RedisError;
use crate::metrics::Subscription;
use crate::notices::Topic;
use crate::token_cache::RedisTokenCache;

const CHANNEL: &str = "revocations";
/// How often a message is tried to be published, and the pause between: some five seconds, after which those who follow
/// have asked by themselves.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(250);

/// Notices of revocations over Redis, for who issues and for who follows. Cheap to clone.
///
/// A notice names new entries of a deny-list. Whoever may write to Redis can make one up, so nobody is denied or let in by it: it makes those
/// who follow a list look whether they have the entries, and ask the issuer if not.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_clock::SystemClock;
/// use hallpass_redis::{RedisRevocations, RedisSettings, RedisTokenCache};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = RedisSettings::standalone("127.0.0.1:6379".parse()?);
/// let tier = RedisTokenCache::new(&settings, Arc::new(SystemClock::new()))?;
/// let revocations = RedisRevocations::over(&tier);
/// // Then `Network::with_revocation_notices(move || revocations.notices())`.
/// # let _ = revocations;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RedisRevocations {
    tier: RedisTokenCache,
}

impl RedisRevocations {
    /// Over the connections of `tier`, on a channel below its prefix.
    #[must_use]
    pub fn over(tier: &RedisTokenCache) -> Self {
        Self { tier: tier.clone() }
    }

    /// Tells everybody that the entries of `message`, which [`RevocationNotice::to_bytes`] has made, are new. While Redis does not
    /// take it, it is tried again for some five seconds.
    ///
    /// # Errors
    /// The last failure; at once when this user may not publish.
    pub async fn announce(&self, message: &[u8]) -> Result<(), RedisError> {
        let mut tries = 1;
        loop {
            match self.tier.publish(CHANNEL, message).await {
                Err(error) if tries < TRIES && !error.is_denied() => {
                    tracing::debug!(%error, "a notice of revocations is published again");
                }
                result => return result,
            }
            tries += 1;
            sleep(PAUSE).await;
        }
    }

    /// What others announce, and [`RevocationNotice::Missed`] after each subscription, the first one too. It ends with the tier.
    #[must_use]
    pub fn notices(&self) -> BoxStream<'static, RevocationNotice> {
        let topic = Topic {
            parse: RevocationNotice::parse,
            missed: || RevocationNotice::Missed,
            subscription: Subscription::Revocations,
            without: "what is revoked is heard of by the issuer's stream alone",
        };
        self.tier.listen(CHANNEL, topic)
    }
}

impl fmt::Debug for RedisRevocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisRevocations")
            .field("tier", &self.tier)
            .finish()
    }
}
