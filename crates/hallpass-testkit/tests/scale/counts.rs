//! What is counted of a whole estate.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::series::Series;

#[derive(Debug)]
pub(crate) struct Counts {
    /// At the issuer: asked, in vain too, and issued.
    pub(crate) token_requests: Series,
    pub(crate) issued: Series,
    pub(crate) key_fetches: Series,
    /// For the deny-list: streams that begin, and whole lists.
    pub(crate) list_requests: Series,
    /// Entries of the deny-list that streams brought, each to one instance.
    pub(crate) pushes: Series,
    /// Commands to the shared cache, and notices published there.
    pub(crate) cache_commands: Series,
    pub(crate) notices: Series,
    /// Calls between services; those that found no token in memory; those that got none.
    pub(crate) calls: Series,
    pub(crate) waited: Series,
    pub(crate) failed: Series,
    /// Tokens that a callee was shown, and that it did not take.
    pub(crate) shown: Series,
    pub(crate) refused: Series,
    pub(crate) longest_wait: Mutex<Duration>,
    /// When an instance knew of the taint, after it.
    pub(crate) taint_known: Mutex<Vec<Duration>>,
}

impl Counts {
    pub(crate) fn new(start: Instant) -> Self {
        let series = || Series::new(start);
        Self {
            token_requests: series(),
            issued: series(),
            key_fetches: series(),
            list_requests: series(),
            pushes: series(),
            cache_commands: series(),
            notices: series(),
            calls: series(),
            waited: series(),
            failed: series(),
            shown: series(),
            refused: series(),
            longest_wait: Mutex::default(),
            taint_known: Mutex::default(),
        }
    }

    pub(crate) fn waited_for(&self, time: Duration) {
        let mut longest = self
            .longest_wait
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *longest = time.max(*longest);
    }

    /// Longest, and how many have noted it.
    pub(crate) fn taint_everywhere(&self) -> (Duration, usize) {
        let known = self
            .taint_known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        (known.iter().copied().max().unwrap_or_default(), known.len())
    }
}
