//! Who waits for the store: nobody keeps all others from it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use hallpass_token::ClientId;

/// Requests of one client that may wait for their turn: all work on one store, one after the other, and no client keeps the
/// others from it for longer than these take.
const MAX_WAITING_OF_CLIENT: usize = 32;

/// How many requests of each client wait for their turn, or have it.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<HashMap<ClientId, usize>>);

impl Waiting {
    /// `None` when too many of `client` wait.
    pub(super) fn place(&self, client: &ClientId) -> Option<Place<'_>> {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(client.clone()).or_default();
        if *count >= MAX_WAITING_OF_CLIENT {
            return None;
        }
        *count += 1;
        Some(Place {
            of: self,
            client: client.clone(),
        })
    }
}

/// One that waits.
pub(super) struct Place<'a> {
    of: &'a Waiting,
    client: ClientId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut waiting = self.of.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = waiting.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                waiting.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_of_one_client_wait_and_no_more_whatever_others_do() {
        let waiting = Waiting::default();
        let (greedy, other) = ("greedy".parse().unwrap(), "other".parse().unwrap());
        let mut places: Vec<_> = (0..MAX_WAITING_OF_CLIENT)
            .map(|_| waiting.place(&greedy).unwrap())
            .collect();
        assert!(waiting.place(&greedy).is_none());
        assert!(waiting.place(&other).is_some());
        places.pop();
        assert!(waiting.place(&greedy).is_some());
        places.clear();
        assert!(waiting.0.lock().unwrap().is_empty());
    }
}
