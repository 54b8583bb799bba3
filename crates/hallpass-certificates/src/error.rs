//! Why there is no certificate.

use std::path::PathBuf;
use std::time::Duration;

use hallpass_client::CertificateAskError;
use hallpass_tls::TlsError;

/// Why there is no certificate. No text holds a key or a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The authority gave none.
    #[error(transparent)]
    Ask(#[from] CertificateAskError),
    /// What it gave cannot be used.
    #[error("what the certificate authority gave cannot be used: {problem}")]
    Unusable {
        /// What is wrong.
        problem: &'static str,
    },
    /// No key, or no request for a certificate, can be made on this machine.
    #[error("a key cannot be made")]
    Key,
    /// The certificate that is held cannot be shown.
    #[error("the certificate that is to be renewed cannot be shown: {0}")]
    Tls(#[from] TlsError),
    /// The connections to the issuer cannot be made.
    #[error("the connections to the issuer cannot be made: {0}")]
    Transport(#[from] hallpass_upstream::TransportError),
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The runtime ends.
    #[error("the runtime ends")]
    Stopping,
}

/// Runs what blocks on a thread of its own.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CertificateError> + Send + 'static,
) -> Result<T, CertificateError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| CertificateError::Stopping)?
}

impl CertificateError {
    /// For how long the authority asks to be left alone, where it does.
    pub(crate) const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Ask(error) => error.retry_after(),
            _ => None,
        }
    }

    /// Whether it passes by itself: the issuer cannot be reached, is in trouble, or has had enough.
    pub(crate) const fn may_pass(&self) -> bool {
        match self {
            Self::Ask(error) => matches!(error.status(), None | Some(429 | 500..)),
            Self::Transport(_) | Self::Unusable { .. } => true,
            Self::Key | Self::Tls(_) | Self::File { .. } | Self::Stopping => false,
        }
    }

    /// The stable name for logs and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Ask(_) => "certificate_refused",
            Self::Unusable { .. } => "certificate_unusable",
            Self::Key => "certificate_key",
            Self::Tls(_) => "certificate_tls",
            Self::Transport(_) => "certificate_transport",
            Self::File { .. } => "certificate_file",
            Self::Stopping => "certificate_stopping",
        }
    }
}
