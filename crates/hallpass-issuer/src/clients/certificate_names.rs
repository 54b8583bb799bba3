//! The names in certificates that a client gets.

use std::time::Duration;

/// `certificate`: what stands in the certificates that a client gets of the authority of the issuer. Nothing that it asks for is added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateNames {
    /// `spiffe-id`: the one URI, such as `spiffe://shop.example/order-service`. No two clients have the same.
    pub spiffe_id: String,
    /// `dns-names`: the names by which it is called; none by default.
    pub dns_names: Vec<String>,
    /// `life-seconds`: how long each counts; by default as `issuer.ca` has it.
    pub life: Option<Duration>,
}
