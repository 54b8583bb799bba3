//! Whether this user may publish, as far as the server has said.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::Value;
use tokio::time::Instant;

use crate::error::RedisError;

/// A server that has said that this user may not publish is not asked again for so long.
const DENIED_PAUSE: Duration = Duration::from_secs(10);

/// When the server has said last that this user may not publish.
#[derive(Debug, Default)]
pub(crate) struct Publishing {
    denied: Mutex<Option<Instant>>,
}

impl Publishing {
    /// The refusal of a moment ago, again.
    pub(crate) fn may_be_tried(&self) -> Result<(), RedisError> {
        match *self.denied() {
            Some(since) if since.elapsed() < DENIED_PAUSE => {
                let code = "NOPERM".into();
                Err(RedisError::Refused { code })
            }
            _ => Ok(()),
        }
    }

    /// What came of it.
    pub(crate) fn tried(&self, channel: &str, result: &Result<Value, RedisError>) {
        match result {
            Err(error) if error.is_denied() => {
                if self.denied().replace(Instant::now()).is_none() {
                    tracing::warn!(
                        channel,
                        "the user of Redis may not publish: other processes do not hear of what is evicted or revoked until a rule allows it; see docs/redis.md"
                    );
                }
            }
            Ok(_) => {
                if self.denied().take().is_some() {
                    tracing::info!(channel, "the user of Redis may publish now");
                }
            }
            Err(_) => {}
        }
    }

    fn denied(&self) -> MutexGuard<'_, Option<Instant>> {
        self.denied.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
