//! Why names cannot be looked up at all.

/// Why a [`DnsDiscovery`](crate::DnsDiscovery) cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DnsError {
    /// There is no name server to ask.
    #[error("discovery.dns: no name server is known: {reason}; see `discovery.dns.servers`")]
    NoNameServer {
        /// What is wrong with `/etc/resolv.conf`.
        reason: Box<str>,
    },
}
