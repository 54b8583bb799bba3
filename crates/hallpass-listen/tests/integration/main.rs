//! A real server on loopback: its limits, its drain, its TLS, and who ends a connection.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests fail loudly too"
)]

#[path = "../../../../tests/fuzz/damage.rs"]
mod damage;
mod drain;
#[path = "../../fuzz/entry.rs"]
mod entry;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod framing;
#[cfg(test)]
mod http2;
mod limits;
mod old_tls;
#[cfg(test)]
mod proxied;
// The lints that spare tests look for this attribute, also in a test binary.
#[cfg(test)]
mod rig;
#[cfg(test)]
mod shown_peers;
mod smoke;
mod tls;
#[cfg(test)]
mod upgrades;
