//! The executable as a child process: what goes in, what comes out, and the exit code.

#[cfg(test)]
mod apply;
#[cfg(test)]
mod authz;
#[cfg(test)]
mod authz_faults;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod ca;
#[cfg(test)]
mod certificates;
#[cfg(test)]
mod client_hash;
mod client_key;
#[cfg(test)]
mod client_store;
#[cfg(test)]
mod command_audit;
mod config_check;
#[cfg(test)]
mod descriptors;
#[cfg(test)]
mod doctor;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod issuer;
#[cfg(test)]
mod issuer_secrets;
#[cfg(test)]
mod issuer_tls;
mod jws_verify;
#[cfg(test)]
#[path = "../../../../tests/leaks/kept.rs"]
mod kept;
#[cfg(test)]
mod key;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod packages;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod policy;
#[cfg(test)]
mod policy_readiness;
#[cfg(test)]
#[path = "../../../../tests/postgres/server.rs"]
#[expect(
    dead_code,
    reason = "what is done to a server is a matter of the issuer's own tests"
)]
mod postgres_server;
#[cfg(test)]
mod private_authority;
// The lints that spare tests look for this attribute, also in a test binary.
#[cfg(test)]
mod process;
#[cfg(test)]
mod proxies;
#[cfg(test)]
mod revoke;
#[cfg(test)]
mod rollout;
#[cfg(test)]
mod sidecar;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod store;
#[cfg(test)]
mod supervisor;
#[cfg(test)]
mod telemetry;
#[cfg(test)]
mod token_get;
mod token_inspect;
#[cfg(test)]
mod token_verify;
mod usage;
#[cfg(test)]
mod version;

#[cfg(test)]
use crate::packages::sources;
