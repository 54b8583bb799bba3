//! Whether a token that a forced renewal has brought waits for its first acceptance.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// How many there are in the process: hardly ever one. Each accepted call looks here, before it looks for its entry.
///
/// Relaxed, here and below: whoever does not see a new one yet has had its response while the renewal went on.
static ALL: AtomicUsize = AtomicUsize::new(0);

/// Of one entry. It changes under the lock of its entry.
#[derive(Debug, Default)]
pub(super) struct Doubt(AtomicBool);

impl Doubt {
    pub(super) fn set(&self, is_there: bool) {
        match (self.0.swap(is_there, Ordering::Relaxed), is_there) {
            (false, true) => _ = ALL.fetch_add(1, Ordering::Relaxed),
            (true, false) => _ = ALL.fetch_sub(1, Ordering::Relaxed),
            _ => {}
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether any entry of the process has one.
    pub(super) fn is_anywhere() -> bool {
        ALL.load(Ordering::Relaxed) != 0
    }
}

impl Drop for Doubt {
    fn drop(&mut self) {
        self.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_set_is_somewhere_until_it_goes() {
        let (one, other) = (Doubt::default(), Doubt::default());
        for is_there in [true, true, false, true] {
            one.set(is_there);
        }
        other.set(true);
        other.set(false);
        drop(other);
        // Tests beside this one may have some of their own, so that none is left cannot be seen.
        assert!(one.is_there() && Doubt::is_anywhere());
    }
}
