//! The crate through its public edge: standard vectors, attacks, properties, and the fuzz targets without a fuzzer.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

mod attacks;
mod boundaries;
#[path = "../../../../tests/fuzz/damage.rs"]
mod damage;
#[path = "../../fuzz/entries.rs"]
mod entries;
mod forge;
mod properties;
mod reference;
mod smoke;
mod vectors;
