//! Requests for certificates as tools and attackers make them, and the fuzz target without a fuzzer.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly too"
)]

mod csr;
#[path = "../../../../tests/fuzz/damage.rs"]
mod damage;
#[path = "../../fuzz/entry.rs"]
mod entry;
mod smoke;
