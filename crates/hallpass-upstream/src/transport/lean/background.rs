//! Connections that are made though nobody waits for them any more: they have a limit, however slowly a server takes them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many there are to one server.
pub(super) struct Background {
    under_way: Arc<AtomicUsize>,
    most: usize,
}

/// One of them, until this is dropped.
pub(super) struct PlaceInBackground(Arc<AtomicUsize>);

impl Background {
    pub(super) fn new(most: usize) -> Self {
        Self {
            under_way: Arc::default(),
            most,
        }
    }

    /// For one more; `None` where there are as many as may be.
    pub(super) fn place(&self) -> Option<PlaceInBackground> {
        let before = self.under_way.fetch_add(1, Ordering::SeqCst);
        let place = PlaceInBackground(Arc::clone(&self.under_way));
        (before < self.most).then_some(place)
    }
}

impl Drop for PlaceInBackground {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_made_that_nobody_waits_for_and_no_more() {
        let background = Background::new(2);
        let first = background.place();
        let second = background.place();
        assert!(first.is_some() && second.is_some());
        // Who gets none takes none.
        assert!(background.place().is_none() && background.place().is_none());
        drop(first);
        let third = background.place();
        assert!(third.is_some() && background.place().is_none());
    }
}
