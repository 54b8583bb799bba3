//! What can go wrong around a server of this crate. What is wrong with one request is told to its sender.

use std::io;
use std::net::SocketAddr;

use hallpass_tls::TlsError;
use hallpass_upstream::TransportError;
use thiserror::Error;

/// Why external authorization, or the gateway, does not start, does not take settings, or has ended.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The files of a section `tls` cannot be used.
    #[error("{section}: {source}")]
    Tls {
        /// Which one.
        section: &'static str,
        /// Why not.
        source: TlsError,
    },
    /// The address of a route's upstream names nobody who could be called.
    #[error("gateway.routes: the address of route `{route}` cannot be called")]
    Upstream {
        /// Its name.
        route: String,
    },
    /// Changed settings have no route any more, where there were some: a file that was written by half, on a full disk say, looks so.
    #[error(
        "gateway.routes: there is none any more, which looks like a file that was written by half; only a restart takes that"
    )]
    NoRoutes,
    /// The access log cannot be opened.
    #[error("access-log: {0}")]
    AccessLog(#[source] io::Error),
    /// There is no way to hosts of `sidecar.outbound.pass-through`.
    #[error("sidecar.outbound.pass-through: {0}")]
    Transport(#[source] TransportError),
    /// A part has ended by itself, which is a fault.
    #[error("the {task} has ended by itself")]
    TaskEnded {
        /// Which one.
        task: &'static str,
    },
}

impl Error {
    /// Whether the configuration is the reason.
    #[must_use]
    pub const fn is_of_configuration(&self) -> bool {
        match self {
            Self::Tls { .. } | Self::Upstream { .. } | Self::NoRoutes | Self::AccessLog(_) => true,
            Self::Listen { .. } | Self::Transport(_) | Self::TaskEnded { .. } => false,
        }
    }
}
