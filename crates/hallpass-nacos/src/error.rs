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
    /// A document is another one than the one that was to be replaced.
    #[error("{document}: somebody else has changed it meanwhile; nothing was written")]
    Changed {
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
    /// It is a link, or everybody may write it: who knows what is in it.
    #[error("it is a link, or others may write it")]
    NotPrivate,
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

    /// As [`Unavailable`](Self::Unavailable), with what the server itself has written.
    pub(crate) fn says_unavailable(text: &str) -> Self {
        Self::unavailable(shown(text))
    }

    pub(crate) fn protocol(what: impl Into<Arc<str>>) -> Self {
        Self::Protocol { what: what.into() }
    }

    /// What tells one trouble from another in the log.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Unavailable { .. } => "unavailable",
            Self::Denied { .. } => "denied",
            Self::Refused { .. } => "refused",
            Self::Protocol { .. } => "protocol",
            Self::NoDocument { .. } => "document",
            Self::Changed { .. } => "changed",
            Self::NoSnapshot { .. } => "snapshot",
            Self::Tls(_) => "tls",
            Self::Registration { .. } => "registration",
        }
    }

    /// Whether asking again later may bring something else without anybody changing a setting.
    pub(crate) fn is_outage(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Protocol { .. })
    }
}

/// Most characters of a server's text that are shown.
const MAX_SHOWN: usize = 200;

/// What a server has written, for one line of a log: cut, and without what could begin another line.
pub(crate) fn shown(text: &str) -> String {
    let mut characters = text.chars();
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let mut shown: String = characters.by_ref().take(MAX_SHOWN).map(plain).collect();
    if characters.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_server_stays_in_its_line_and_is_short() {
        assert_eq!(shown("no\r\n2026 ERROR x\u{1b}[2J"), "no  2026 ERROR x [2J");
        assert_eq!(shown(&"ä".repeat(200)), "ä".repeat(200));
        assert_eq!(shown(&"ä".repeat(1_000_000)).chars().count(), 201);
    }
}
