//! Signing keys: a key as it is stored, the keys in memory, and the import of existing ones.

pub(crate) mod import;
pub(crate) mod record;
pub(crate) mod ring;
pub(crate) mod rotation;
