//! What signs: a key as it is kept, the keys in memory, and how existing ones come in.

pub(crate) mod import;
pub(crate) mod record;
pub(crate) mod ring;
