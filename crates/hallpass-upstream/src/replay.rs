//! Messages that count once, whoever of several processes they are shown to.
//!
//! [`MemoryReplays`] stands in front: it knows what was shown to this process, and bounds what one sender may have
//! remembered. [`SharedReplays`] asks what the processes share about what is new here.

mod even_time;
mod memory;
mod shared;
mod store;

pub use memory::MemoryReplays;
pub use shared::{ReplayKind, ReplayMetrics, ReplaySharing, SharedReplays, StoreAway};
pub use store::{CLOCKS_DIFFER_BY, ReplayMessage, ReplayStore, ReplayStoreError};
