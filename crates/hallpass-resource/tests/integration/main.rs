//! The resource server over real loopback connections: a scripted issuer on one side, a raw client on the other.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

mod announced;
mod apply;
mod apply_keys;
mod attacks;
mod audit;
mod audit_file;
mod blacklist;
mod bound;
mod cache;
mod callers;
mod callers_of_products;
mod carried;
mod context;
#[path = "../../../../tests/fuzz/damage.rs"]
mod damage;
mod deadlines;
mod denied;
mod dpop;
mod encoded;
#[path = "../../fuzz/entries.rs"]
mod entries;
mod extractors;
mod introspection;
mod introspection_trouble;
mod introspection_wire;
mod key_budgets;
mod key_outages;
mod key_places;
mod keys;
mod keys_trouble;
mod lessons;
mod mesh;
mod mesh_callers;
mod modes;
mod mutual_tls;
mod nested;
mod odd_claims;
mod open_routes;
mod paths;
mod percentages;
mod policy;
mod properties;
mod roll_out;
mod sections;
mod settings;
mod shared_proofs;
mod smoke;
mod streams;
mod streams_taken_back;
mod strictness;
mod support;
mod targets;
mod upgrades;
mod words_of_spring;
