//! The tier beside real servers of Redis, which the tests start on loopback and end by SIGKILL.
//!
//! Where `redis-server` is not installed, each test says loudly that it was skipped.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "helpers of tests fail loudly too"
)]

mod blacklist;
mod cluster;
mod estate;
mod evictions;
mod hostile;
mod log;
mod notices;
mod outage;
mod rates;
mod replays;
mod sentinel;
mod servers;
mod standalone;
mod tiers;
