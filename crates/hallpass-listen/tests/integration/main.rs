//! A real server on loopback: its limits, its drain, its TLS, and who ends a connection.

mod drain;
#[cfg(test)]
mod frames;
#[cfg(test)]
mod http2;
mod limits;
mod old_tls;
// The lints that spare tests look for this attribute, also in a test binary.
#[cfg(test)]
mod rig;
#[cfg(test)]
mod tls;
#[cfg(test)]
mod upgrades;
