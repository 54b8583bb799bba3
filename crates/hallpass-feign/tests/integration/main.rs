//! Whole calls against real servers on loopback.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail loudly too"
)]

mod answers;
mod attempts;
mod callers;
mod changes;
mod clients;
mod context_headers;
mod deadlines;
mod estate;
mod events;
mod fallbacks;
mod guard_changes;
mod guards;
mod headers;
mod heads;
mod hedges;
mod identities;
mod instances;
mod interceptors;
mod observation;
mod outages;
mod requests;
mod settings;
mod shapes;
mod support;
mod traits;
mod uploads;
