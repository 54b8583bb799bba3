//! What signs: the keys in memory, and how existing ones come in.

pub(crate) mod import;
pub(crate) mod ring;
