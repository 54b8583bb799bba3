//! How long keys are believed and fetches may take.

use std::time::Duration;

/// Longest time that a request waits for keys that are past their age while older ones are there.
pub(super) const MAX_STALE_WAIT: Duration = Duration::from_millis(500);
/// Shortest cool-down: without one, anybody's tokens would be turned into a flood of fetches.
pub(super) const MIN_COOLDOWN: Duration = Duration::from_secs(1);
/// Most bytes that a key set may have.
pub(super) const MAX_KEY_SET_BYTES: usize = 256 * 1024;

/// How keys are fetched and how long they are believed.
#[derive(Clone, Copy, Debug)]
pub struct KeyLimits {
    /// How long it takes until a bad signature may cause one more fetch; four may follow one another at once. An unknown `kid` may cause two at
    /// once and one more a second, or each cool-down where that is shorter. Also the longest wait after a failed fetch. Default 10 s; less
    /// than 1 s counts as 1 s. For a file: the time within which a change is noticed.
    pub cooldown: Duration,
    /// Longest time of one fetch, name look-up and body included. Default 5 s.
    pub fetch_timeout: Duration,
    /// How long keys are believed when the issuer does not say (`Cache-Control: max-age`). Default 5 minutes.
    pub default_age: Duration,
    /// Shortest age, whatever the issuer says. Default 10 s.
    pub min_age: Duration,
    /// Longest age, whatever the issuer says. Default 1 h.
    pub max_age: Duration,
    /// How long the last good keys are used beyond their age when no fetch succeeds. Default 24 h.
    pub last_good_for: Duration,
}

impl Default for KeyLimits {
    fn default() -> Self {
        Self {
            cooldown: Duration::from_secs(10),
            fetch_timeout: Duration::from_secs(5),
            default_age: Duration::from_secs(300),
            min_age: Duration::from_secs(10),
            max_age: Duration::from_secs(3600),
            last_good_for: Duration::from_secs(24 * 3600),
        }
    }
}
