//! Loads whole configurations.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly too")]

mod seed;
