//! The client against issuers and callees: scripted ones in simulated time, real ones on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

mod allocations;
mod apply;
mod bad_tiers;
mod cache_tiers;
mod client_assertion;
mod context_settings;
mod credentials;
mod dpop;
mod eviction;
mod exchange;
mod host_guard;
mod identity;
mod issuer_instances;
mod lease;
mod loopback;
mod metrics;
mod mirror;
mod missed_notices;
mod outage;
mod property;
mod purge;
mod purge_property;
mod readiness;
mod rejected;
mod renewal;
mod responses;
mod scripted_issuer;
mod secret_file;
mod settings;
mod single_flight;
mod tiers_told;
mod token_asker;
mod trees;
mod unreliable_tier;
