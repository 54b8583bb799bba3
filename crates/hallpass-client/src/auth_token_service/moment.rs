//! Which came first: a token or an eviction.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment on the wall clock, in microseconds since 1970, by which processes order tokens and evictions.
///
/// Clocks of machines differ and are set back, so it is more than the time: a token that is asked for after an eviction has a later
/// [moment](Self::after) than that eviction in any case, also when the clock says otherwise. It is never used for the life of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) const fn from_micros(micros: u64) -> Self {
        Self(micros)
    }

    pub(crate) const fn as_micros(self) -> u64 {
        self.0
    }

    /// This moment, or the one just after `other` where that is later.
    pub(crate) fn after(self, other: Option<Self>) -> Self {
        let next = other.map(|Self(other)| Self(other.saturating_add(1)));
        next.map_or(self, |next| self.max(next))
    }

    pub(crate) fn saturating_add(self, time: Duration) -> Self {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(micros))
    }
}

impl From<SystemTime> for Moment {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(0).saturating_add(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_after_is_later_whatever_the_clock_says() {
        let (early, late) = (Moment(5), Moment(9));
        assert_eq!(late.after(Some(early)), late);
        assert!(early.after(Some(late)) > late);
        assert!(early.after(Some(early)) > early);
        assert_eq!(early.after(None), early);
    }
}
