//! Who is at the other end of a request, by its certificate: that of the connection, or what the proxy of a mesh says of it.

use std::fmt;
use std::str::FromStr;

use hallpass_tls::{CertificateName, PeerCertificates, PeerIdentity, SpiffeId};
use thiserror::Error;

/// Whose certificate was shown, to this service or to the proxy of its mesh.
#[derive(Clone, Debug)]
pub(crate) enum Peer {
    /// Its own connection has shown one of an authority that is trusted.
    Certificate(PeerCertificates),
    /// A proxy says so that is believed.
    Mesh(PeerIdentity),
}

/// A workload, as its certificate calls it: a SPIFFE id, character by character, or a DNS name, in either case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PeerName(Name);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Name {
    Id(SpiffeId),
    Dns(Box<str>),
}

/// The text is no name of a workload.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("must be a SPIFFE id (`spiffe://cluster.local/ns/shop/sa/orders`) or a DNS name")]
pub struct PeerNameFault;

impl PeerName {
    /// Whether the certificate has this name.
    pub(crate) fn is_of(&self, peer: &Peer) -> bool {
        match (&self.0, peer) {
            (Name::Id(id), Peer::Mesh(identity)) => identity.id() == Some(id),
            (Name::Dns(name), Peer::Mesh(identity)) => identity.names().any(|it| it == &**name),
            (Name::Id(id), Peer::Certificate(shown)) => {
                CertificateName::Uri(id.as_str().to_owned()).is_of(shown.own())
            }
            (Name::Dns(name), Peer::Certificate(shown)) => {
                CertificateName::Dns(name.to_string()).is_of(shown.own())
            }
        }
    }
}

impl FromStr for PeerName {
    type Err = PeerNameFault;

    fn from_str(text: &str) -> Result<Self, PeerNameFault> {
        if text.contains("://") {
            let id = text.parse().map_err(|_| PeerNameFault)?;
            return Ok(Self(Name::Id(id)));
        }
        let name = text.to_ascii_lowercase();
        let is_of_label = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        let is_label = |label: &str| !label.is_empty() && label.bytes().all(is_of_label);
        match name.len() <= 253 && name.split('.').all(is_label) {
            true => Ok(Self(Name::Dns(name.into()))),
            false => Err(PeerNameFault),
        }
    }
}

impl fmt::Display for PeerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Id(id) => fmt::Display::fmt(id, f),
            Name::Dns(name) => f.write_str(name),
        }
    }
}
