//! Signing keys: a key as it is stored, the keys in memory, their life, who has fetched them, and the import of existing ones.

pub(crate) mod adoption;
pub(crate) mod import;
pub(crate) mod metrics;
pub(crate) mod record;
pub(crate) mod ring;
pub(crate) mod room;
pub(crate) mod rotation;
