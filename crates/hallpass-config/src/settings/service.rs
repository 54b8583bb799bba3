//! `service`: who this process is.

use std::net::SocketAddr;

/// Who this process is and where it listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// `name`: the name other services call it by; the audience it expects in tokens unless `security` says
    /// otherwise.
    pub name: Option<String>,
    /// `listen`: address and port to listen on.
    pub listen: Option<SocketAddr>,
}
