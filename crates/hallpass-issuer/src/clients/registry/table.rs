//! Clients by their ids, in many small tables: a change copies one of them, whatever the number of clients.

use std::hash::{BuildHasher as _, RandomState};
use std::mem;
use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::client::Client;

/// How many small tables: of a million clients each has a thousand, and a change copies the pointers to those.
const SHARDS: usize = 1_024;

/// A snapshot; a clone shares all that neither of the two changes.
#[derive(Clone, Debug)]
pub(super) struct ClientTable {
    /// Clients are looked up by what a caller sent, so by the hasher that resists chosen collisions.
    hasher: RandomState,
    /// A client is found by the id that it has itself: no second copy is kept.
    shards: Vec<Arc<HashTable<Arc<Client>>>>,
    len: usize,
}

impl ClientTable {
    pub(super) fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            shards: vec![Arc::default(); SHARDS],
            len: 0,
        }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.shards.iter().flat_map(|shard| shard.iter())
    }

    pub(super) fn find(&self, unverified_client_id: &str) -> Option<&Arc<Client>> {
        let hash = self.hasher.hash_one(unverified_client_id);
        let shard = self.shards.get(shard_of(hash))?;
        shard.find(hash, |client| client.id.as_str() == unverified_client_id)
    }

    /// The one of the same id that was there before.
    pub(super) fn put(&mut self, client: Arc<Client>) -> Option<Arc<Client>> {
        let hasher = &self.hasher;
        let hash = hasher.hash_one(client.id.as_str());
        let shard = Arc::make_mut(self.shards.get_mut(shard_of(hash))?);
        let entry = shard.entry(
            hash,
            |it| it.id == client.id,
            |it| hasher.hash_one(it.id.as_str()),
        );
        match entry {
            Entry::Occupied(mut entry) => Some(mem::replace(entry.get_mut(), client)),
            Entry::Vacant(entry) => {
                entry.insert(client);
                self.len += 1;
                None
            }
        }
    }

    /// The client that was taken away.
    pub(super) fn remove(&mut self, client_id: &str) -> Option<Arc<Client>> {
        // What is not there costs no copy.
        self.find(client_id)?;
        let hash = self.hasher.hash_one(client_id);
        let shard = Arc::make_mut(self.shards.get_mut(shard_of(hash))?);
        let entry = shard.find_entry(hash, |client| client.id.as_str() == client_id);
        let (client, _) = entry.ok()?.remove();
        self.len -= 1;
        Some(client)
    }
}

/// By bits that the small table itself does not look at: it takes the lowest and the highest.
const fn shard_of(hash: u64) -> usize {
    // Ten bits.
    ((hash >> 32) as usize) % SHARDS
}
