//! Whole configurations of a service.
#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "helpers of tests fail loudly too"
)]

#[path = "../../../../tests/fuzz/damage.rs"]
mod damage;
#[path = "../../fuzz/entry.rs"]
mod entry;
mod reload;
mod seed;
mod settings;
mod smoke;
mod spring;
