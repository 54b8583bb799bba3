//! The issuer over real loopback sockets.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

mod abuse;
mod admin;
mod api_page;
mod apply;
mod audit;
mod audit_places;
mod authority;
mod bad_input;
mod client_auth;
mod client_changes;
mod client_secrets;
mod clock_jumps;
mod documents;
mod dpop;
mod edges;
mod errors_page;
mod first_client;
mod foreign;
mod golden;
mod harness;
mod import;
mod inspected_store;
#[path = "../../../../tests/leaks/kept.rs"]
mod kept;
mod key_life;
mod keys;
mod leaks;
mod life_cycle;
mod lockouts;
mod mutual_tls;
mod newer_store;
mod other_file;
mod page;
mod postgres;
#[path = "../../../../tests/postgres/server.rs"]
mod postgres_server;
mod private_key_jwt;
mod questions;
mod refresh;
mod registrations;
mod registry;
mod revocation;
mod revocation_stream;
mod revoked_names;
mod settings;
mod settings_hints;
mod sources;
mod standards;
mod store_moves;
mod stored_clients;
mod tampered_store;
mod tls;
mod token_endpoint;
mod token_exchange;
mod token_shapes;
