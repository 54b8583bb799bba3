//! What an embedded store has beside its database: its file, and those beside that.

pub(super) mod issuer_mark;
pub(super) mod key_file;
pub(super) mod private_file;
pub(super) mod start_lock;
