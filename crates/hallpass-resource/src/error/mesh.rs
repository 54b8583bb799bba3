//! Why what a mesh says of a caller does not let it pass.

use http::StatusCode;
use thiserror::Error;

use super::response::{DenialResponse, forbidden};

/// Why what the proxy of the mesh says of a caller does not let a request pass (`security.internal-jwt.mesh`).
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MeshDenial {
    /// A proxy that is believed says what cannot be read.
    #[error("the identity that the mesh gives {0}")]
    Unclear(#[from] hallpass_tls::MeshFault),
    /// A proxy that is believed sends the header more than once.
    #[error("the mesh names more than one caller")]
    Several,
    /// The trust domain of the caller is none of those that may call.
    #[error("the caller is of a trust domain that may not call")]
    TrustDomain,
    /// The mesh names nobody, and the token must be shown by the client that it was issued to.
    #[error("no believed proxy of the mesh says who shows the token")]
    Nobody,
    /// The mesh names another workload than the client that the token was issued to.
    #[error("the token was issued to another client than the mesh names")]
    OtherClient,
}

impl MeshDenial {
    /// What the caller is told.
    pub(super) fn response(self) -> DenialResponse {
        match self {
            Self::Unclear(_) | Self::Several => DenialResponse {
                status: StatusCode::BAD_REQUEST,
                code: "mesh_identity_invalid",
                bearer_error: None,
                challenge: false,
                title: "The identity that the mesh gives cannot be read.",
            },
            Self::TrustDomain | Self::Nobody | Self::OtherClient => {
                forbidden("peer_not_allowed", "This workload may not call this.")
            }
        }
    }

    /// The metric label.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Unclear(_) | Self::Several => "malformed",
            Self::TrustDomain | Self::Nobody | Self::OtherClient => "peer",
        }
    }

    /// The exact reason for the log and the audit event.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Unclear(_) => "mesh_identity_invalid",
            Self::Several => "mesh_identity_several",
            Self::TrustDomain => "mesh_trust_domain",
            Self::Nobody => "mesh_identity_missing",
            Self::OtherClient => "mesh_other_client",
        }
    }
}
