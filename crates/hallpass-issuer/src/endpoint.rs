//! The endpoints, one file each; all answers come from snapshots in memory.

pub(crate) mod documents;
pub(crate) mod token;
