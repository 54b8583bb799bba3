//! Who calls through a mesh, as far as its proxy is believed.

mod metrics;

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use hallpass_listen::ConnectionPeer;
use hallpass_tls::{
    PeerCertificates, PeerIdentity, UnverifiedPeerCertificates, read_client_id, read_xfcc,
};
use hallpass_token::ClientId;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

pub(crate) use self::metrics::MeshMetrics;
use crate::error::{Denial, MeshDenial};
use crate::identity_headers::{HeaderMetrics, strip_spellings};
use crate::peer::Peer;
use crate::settings::mesh::{MeshHeader, MeshSettings};
use crate::verifier::Verified;

/// How callers are known by their certificates.
#[derive(Debug)]
pub(crate) struct Peers {
    mesh: Option<Mesh>,
    /// Whether a rule names any.
    are_named: bool,
}

/// What the settings say of a mesh.
#[derive(Debug)]
struct Mesh {
    settings: MeshSettings,
    metrics: MeshMetrics,
}

impl Peers {
    pub(crate) fn new(
        settings: Option<&MeshSettings>,
        are_named: bool,
        metrics: &MeshMetrics,
    ) -> Self {
        let mesh = settings.map(|settings| Mesh {
            settings: settings.clone(),
            metrics: metrics.clone(),
        });
        Self { mesh, are_named }
    }

    /// By whose certificate a request comes, where that matters.
    ///
    /// # Errors
    /// As of [`Mesh::identity`].
    pub(crate) fn of(&self, parts: &Parts) -> Result<Option<Peer>, MeshDenial> {
        if self.mesh.is_none() && !self.are_named {
            return Ok(None);
        }
        if let Some(shown) = parts.extensions.get::<PeerCertificates>() {
            return Ok(Some(Peer::Certificate(shown.clone())));
        }
        match &self.mesh {
            Some(mesh) => Ok(mesh.identity(parts)?.map(Peer::Mesh)),
            None => Ok(None),
        }
    }

    /// The header that a mesh says it in, where settings name one.
    pub(crate) fn header(&self) -> Option<HeaderName> {
        let mesh = self.mesh.as_ref()?;
        Some(mesh.settings.header.name())
    }

    /// Counts a request by what the mesh says of its caller.
    pub(crate) fn count(&self, parts: &Parts) {
        if let Some(mesh) = &self.mesh {
            mesh.count(parts);
        }
    }

    /// Why a token must not be shown by whom it was shown, if so.
    pub(crate) fn judge(&self, caller: Option<&Verified>) -> Option<Denial> {
        let mesh = self.mesh.as_ref()?;
        // Clients of others may be called as ours.
        let caller = caller.filter(|it| it.is_internal())?;
        let client = caller.context().client_id();
        let denial = mesh.check(client, caller.peer()).err()?;
        Some(denial.into())
    }

    /// Leaves for the handler what the mesh says of the caller, where it is believed, and nothing else of that kind.
    pub(crate) fn admit(&self, parts: &mut Parts, stripped: &HeaderMetrics) {
        if let Some(mesh) = &self.mesh {
            mesh.admit(parts, stripped);
        }
    }
}

impl Mesh {
    /// Whom a proxy names that is believed. `None` of all others, whatever they say, and where the connection itself shows a certificate:
    /// that is who calls.
    ///
    /// # Errors
    /// Never "nobody" for what is not clear: [`MeshDenial::Unclear`], [`MeshDenial::Several`], [`MeshDenial::TrustDomain`].
    fn identity(&self, parts: &Parts) -> Result<Option<PeerIdentity>, MeshDenial> {
        if !self.believes(parts) {
            return Ok(None);
        }
        let mut values = parts.headers.get_all(self.settings.header.name()).iter();
        let Some(value) = values.next() else {
            return Ok(None);
        };
        if values.next().is_some() {
            return Err(MeshDenial::Several);
        }
        let identity = match self.settings.header {
            MeshHeader::XForwardedClientCert => read_xfcc(value.as_bytes())?,
            MeshHeader::L5dClientId => read_client_id(value.as_bytes())?,
        };
        let domains = &self.settings.trust_domains;
        let is_foreign =
            |domain: &str| !domains.is_empty() && !domains.iter().any(|it| it == domain);
        match identity.id() {
            Some(id) if is_foreign(id.trust_domain()) => Err(MeshDenial::TrustDomain),
            _ => Ok(Some(identity)),
        }
    }

    fn count(&self, parts: &Parts) {
        let is_there = parts.headers.contains_key(self.settings.header.name());
        self.metrics.count(match self.identity(parts) {
            Ok(Some(_)) => "believed",
            Ok(None) if is_there => "ignored",
            Ok(None) => "absent",
            Err(_) => "refused",
        });
    }

    /// Whether a token of ours may be shown by whom the mesh names.
    ///
    /// # Errors
    /// [`MeshDenial::Nobody`], [`MeshDenial::OtherClient`].
    fn check(&self, client: Option<&ClientId>, peer: Option<&Peer>) -> Result<(), MeshDenial> {
        if !self.settings.must_match {
            return Ok(());
        }
        let peer = peer.ok_or(MeshDenial::Nobody)?;
        let mut callers = self.settings.callers.iter();
        let is_it = callers.any(|it| Some(&it.client) == client && it.peer.is_of(peer));
        is_it.then_some(()).ok_or(MeshDenial::OtherClient)
    }

    /// Leaves for the handler what is believed, and nothing else.
    fn admit(&self, parts: &mut Parts, stripped: &HeaderMetrics) {
        parts.extensions.remove::<PeerIdentity>();
        match self.identity(parts) {
            Ok(Some(identity)) => {
                parts.extensions.insert(identity);
            }
            Ok(None) | Err(_) => self.strip(&mut parts.headers, stripped),
        }
    }

    fn strip(&self, headers: &mut HeaderMap, stripped: &HeaderMetrics) {
        strip_spellings(headers, self.settings.header.as_str(), stripped);
    }

    fn believes(&self, parts: &Parts) -> bool {
        let extensions = &parts.extensions;
        let shows_itself = extensions.get::<PeerCertificates>().is_some()
            || extensions.get::<UnverifiedPeerCertificates>().is_some();
        let is_known = |address: IpAddr| self.settings.peers.contains(&address.to_canonical());
        !shows_itself && address_of(parts).is_some_and(is_known)
    }
}

/// Where the connection of a request comes from, where its server says so: `hallpass_listen::HttpServer::show_peers`, or that of axum.
fn address_of(parts: &Parts) -> Option<IpAddr> {
    let shown = parts.extensions.get::<ConnectionPeer>();
    let shown = shown.map(|ConnectionPeer(address)| address.ip());
    let of_axum = || {
        let found = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        found.map(|ConnectInfo(address)| address.ip())
    };
    shown.or_else(of_axum)
}
