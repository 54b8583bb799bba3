//! Why something asked of Nacos did not come about.

use std::sync::Arc;

use hallpass_config::files::FileError;
use hallpass_tls::TlsError;

/// Why something asked of Nacos did not come about. Holds no credential and no line of a document.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NacosError {
    /// No server can be reached, or none has answered in time.
    #[error("no Nacos server answers: {reason}")]
    Unavailable {
        /// What the last attempt came to.
        reason: Arc<str>,
    },
    /// The server refuses the credential, or it may not do this.
    #[error("Nacos refuses the credential: {reason}")]
    Denied {
        /// What the server says.
        reason: Arc<str>,
    },
    /// The server has answered that it will not.
    #[error("Nacos refuses: {reason} (code {code})")]
    Refused {
        /// Its error code.
        code: i64,
        /// What it says.
        reason: Arc<str>,
    },
    /// What the server sends is not understood.
    #[error("Nacos sends what is not understood: {what}")]
    Protocol {
        /// What was expected.
        what: Arc<str>,
    },
    /// A document that has to be there is not.
    #[error("{document}: Nacos has no such document; see `optional`")]
    NoDocument {
        /// Data id and group.
        document: Arc<str>,
    },
    /// There is neither a server nor a usable snapshot.
    #[error("{source}, and there is no snapshot to start from: {snapshot}")]
    NoSnapshot {
        /// Why no server was asked.
        source: Box<Self>,
        /// Why the snapshot cannot be used.
        snapshot: SnapshotError,
    },
    /// The files of the section `tls` cannot be used.
    #[error(transparent)]
    Tls(#[from] Arc<TlsError>),
    /// This instance cannot be registered as it is described.
    #[error("the instance cannot be registered: {reason}")]
    Registration {
        /// What is missing or wrong.
        reason: &'static str,
    },
}

/// Why a snapshot cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// No folder is named for it.
    #[error("`nacos.snapshot-directory` is not set")]
    Off,
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It does not hold what was written there, or something else than is asked for now.
    #[error("it does not hold the documents that are asked for now")]
    Other,
}

impl NacosError {
    pub(crate) fn unavailable(reason: impl std::fmt::Display) -> Self {
        Self::Unavailable {
            reason: reason.to_string().into(),
        }
    }

    pub(crate) fn protocol(what: impl Into<Arc<str>>) -> Self {
        Self::Protocol { what: what.into() }
    }

    /// Whether asking again later may bring something else without anybody changing a setting.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Protocol { .. })
    }
}
