//! Tokens that were said not to be good a moment ago.

use std::collections::HashMap;
use std::time::Duration;

use crate::token_digest::TokenDigest;

/// Most that are remembered, some 60 bytes each. Who invents more costs only others' entries, and within the budget for new tokens.
const MAX_INACTIVE: usize = 4_096;

/// Bounded memory of tokens that are not good.
#[derive(Debug, Default)]
pub(super) struct Inactive {
    until: HashMap<TokenDigest, Duration>,
}

impl Inactive {
    pub(super) fn contains(&self, digest: &TokenDigest, now: Duration) -> bool {
        self.until.get(digest).is_some_and(|until| now < *until)
    }

    pub(super) fn remember(&mut self, digest: TokenDigest, until: Duration, now: Duration) {
        if self.until.len() >= MAX_INACTIVE {
            self.until.retain(|_, until| now < *until);
        }
        // What ends first makes room.
        if self.until.len() >= MAX_INACTIVE
            && let Some(first) = self.until.iter().min_by_key(|(_, until)| **until)
        {
            let first = *first.0;
            self.until.remove(&first);
        }
        self.until.insert(digest, until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_of_tokens_makes_it_grow_beyond_its_bound_and_the_oldest_goes_first() {
        let mut inactive = Inactive::default();
        let digest = |number: u64| TokenDigest::of(&number.to_string());
        let at = Duration::from_millis;
        let more = 5_000;
        for number in 0..more {
            inactive.remember(digest(number), at(10_000 + number), at(number));
        }
        assert_eq!(inactive.until.len(), MAX_INACTIVE);
        assert!(!inactive.contains(&digest(0), at(more)));
        assert!(inactive.contains(&digest(more - 1), at(more)));
        assert!(!inactive.contains(&digest(more - 1), at(10_000 + more)));
    }
}
