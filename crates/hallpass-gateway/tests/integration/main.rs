//! External authorization through its public interface.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

#[path = "../../../../tests/fuzz/damage.rs"]
mod damage;
#[path = "../../fuzz/entry.rs"]
mod entry;
mod smoke;
