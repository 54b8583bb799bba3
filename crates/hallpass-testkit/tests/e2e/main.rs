//! The parts of Hallpass together, over real sockets.

// The lints that spare tests look for the attribute, also in a test binary.
#[cfg(test)]
mod blacklist;
#[cfg(test)]
#[path = "../../../../tests/pages/blocks.rs"]
mod blocks;
#[cfg(test)]
mod bound_to_certificate;
#[cfg(test)]
mod built;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod certificates_by_itself;
#[cfg(test)]
mod certificates_by_method;
#[cfg(test)]
mod certificates_damaged;
#[cfg(test)]
mod child;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod deadlines;
#[cfg(test)]
mod dns;
#[cfg(test)]
mod dpop;
#[cfg(test)]
mod estate;
#[cfg(test)]
mod examples;
#[cfg(test)]
mod exchange;
#[cfg(test)]
mod exchanged_tenant;
#[cfg(test)]
mod first_test;
#[cfg(test)]
mod getting_started;
#[cfg(test)]
mod identity;
#[cfg(test)]
mod internal_call_page;
#[cfg(test)]
mod introspection;
#[cfg(test)]
mod load;
#[cfg(test)]
mod mutual_tls;
#[cfg(test)]
mod no_secret;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod path_values;
mod private_key_jwt;
#[cfg(test)]
mod raw_spawns;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod replays;
#[cfg(test)]
mod replays_of_issuers;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod revocation_notices;
#[cfg(test)]
mod revoked_callers;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod rule_files;
#[cfg(test)]
mod service;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod test_estate;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod tls_examples;
#[cfg(test)]
mod trees;
