//! Keeps trouble that goes on from filling the log.

use std::collections::HashMap;
use std::mem;
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
pub struct Reminders(Mutex<HashMap<Box<str>, Said>>);

/// When it was said, and how often it has happened since.
#[derive(Debug)]
struct Said {
    at: Instant,
    unsaid: u64,
}

impl Reminders {
    /// Whether trouble of this kind, which there is now, is to be said. At most 32 kinds are told apart.
    #[must_use]
    pub fn is_due(&self, kind: &str) -> bool {
        self.times(kind).is_some()
    }

    /// The same of what happens again and again: how often it did since it was said last, this time included, when it is to be
    /// said now.
    ///
    /// ```
    /// let reminders = hallpass_upstream::Reminders::default();
    /// let said: Vec<_> = (0..3).map(|_| reminders.times("refused")).collect();
    /// assert_eq!(said, [Some(1), None, None]);
    /// ```
    #[must_use]
    pub fn times(&self, kind: &str) -> Option<u64> {
        let now = Instant::now();
        let mut said = self.said();
        if let Some(last) = said.get_mut(kind) {
            last.unsaid = last.unsaid.saturating_add(1);
            let is_due = now.saturating_duration_since(last.at) >= AGAIN_AFTER;
            return is_due.then(|| {
                last.at = now;
                mem::take(&mut last.unsaid)
            });
        }
        let has_room = said.len() < MAX_KINDS;
        has_room.then(|| {
            let first = Said { at: now, unsaid: 0 };
            said.insert(kind.into(), first);
            1
        })
    }

    /// The trouble is over: what comes now is new. Whether any was said.
    pub fn over(&self) -> bool {
        let mut said = self.said();
        let was_said = !said.is_empty();
        said.clear();
        was_said
    }

    fn said(&self) -> MutexGuard<'_, HashMap<Box<str>, Said>> {
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

    #[tokio::test(start_paused = true)]
    async fn what_is_said_again_says_how_often_it_happened() {
        let reminders = Reminders::default();
        let said: Vec<_> = (0..100).filter_map(|_| reminders.times("a")).collect();
        assert_eq!(said, [1]);
        tokio::time::advance(AGAIN_AFTER).await;
        assert_eq!(reminders.times("b"), Some(1));
        assert_eq!(reminders.times("a"), Some(100), "99 unsaid, and this one");
        assert_eq!(reminders.times("a"), None);
    }

    #[test]
    fn kinds_that_somebody_makes_up_have_an_end() {
        let reminders = Reminders::default();
        let said = (0..1_000).filter(|kind| reminders.is_due(&kind.to_string()));
        assert_eq!(said.count(), MAX_KINDS);
    }
}
