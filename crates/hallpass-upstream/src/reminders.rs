//! Keeps trouble that goes on from filling the log.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// What goes on is said again after this time, so that who reads only the end of a log finds it.
const AGAIN_AFTER: Duration = Duration::from_secs(10 * 60);
/// Kinds of trouble that are told apart. Further ones, which somebody else makes up, are not said.
const MAX_KINDS: usize = 32;

/// Says of each kind of trouble when it is to be logged: the first time, then every ten minutes while it goes on, and at once
/// again after [`over`](Self::over). What is not due belongs to the level `debug`.
///
/// ```
/// let reminders = hallpass_upstream::Reminders::default();
/// assert!(reminders.is_due("refused"));
/// assert!(!reminders.is_due("refused"));
/// reminders.over();
/// assert!(reminders.is_due("refused"));
/// ```
#[derive(Debug, Default)]
pub struct Reminders(Mutex<HashMap<Box<str>, Instant>>);

impl Reminders {
    /// Whether trouble of this kind, which there is now, is to be said. At most 32 kinds are told apart.
    #[must_use]
    pub fn is_due(&self, kind: &str) -> bool {
        let now = Instant::now();
        let mut said = self.said();
        if let Some(last) = said.get_mut(kind) {
            let is_due = now.saturating_duration_since(*last) >= AGAIN_AFTER;
            if is_due {
                *last = now;
            }
            return is_due;
        }
        let has_room = said.len() < MAX_KINDS;
        if has_room {
            said.insert(kind.into(), now);
        }
        has_room
    }

    /// The trouble is over: what comes now is new. Whether any was said.
    pub fn over(&self) -> bool {
        let mut said = self.said();
        let was_said = !said.is_empty();
        said.clear();
        was_said
    }

    fn said(&self) -> MutexGuard<'_, HashMap<Box<str>, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_on_is_said_once_and_every_ten_minutes() {
        let reminders = Reminders::default();
        let mut said = 0;
        for _ in 0..3_600 {
            said += u32::from(reminders.is_due("a"));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(said, 6);
        assert!(reminders.is_due("b"));
        assert!(reminders.over() && !reminders.over());
        assert!(reminders.is_due("a"));
    }

    #[test]
    fn kinds_that_somebody_makes_up_have_an_end() {
        let reminders = Reminders::default();
        let said = (0..1_000).filter(|kind| reminders.is_due(&kind.to_string()));
        assert_eq!(said.count(), MAX_KINDS);
    }
}
