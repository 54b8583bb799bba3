//! The client beside servers that do what no good one does.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly too"
)]

mod credential;
mod documents;
mod hostile;
mod log;
mod outage;
mod server;
mod tls;
