//! Why certificates, keys or authorities cannot be used.

use std::path::PathBuf;
use std::time::Duration;

use hallpass_config::files::FileError;

/// Why the files of a TLS section cannot be used.
///
/// Each text names the file and says what to do. None holds a part of a key, nor of a file that may be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    // --- the files
    /// A file cannot be read.
    #[error("{}: {problem}; it must be readable by the user that runs this process", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        problem: FileError,
    },
    /// A file is not what its key says.
    #[error("{}: {problem}", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it, and what is expected.
        problem: &'static str,
    },
    /// Certificate and private key do not belong together. While they are being replaced this passes by itself.
    #[error(
        "{} and {} do not belong together: the private key must be that of the first certificate in the file",
        certificate.display(),
        private_key.display()
    )]
    Mismatch {
        /// The file of the certificates.
        certificate: PathBuf,
        /// The file of the private key.
        private_key: PathBuf,
    },
    /// The certificate that would replace a valid one has expired.
    #[error("{}: this certificate has expired and would replace one that is valid: renew it", path.display())]
    Expired {
        /// The file of the certificate.
        path: PathBuf,
    },

    /// The certificate that would replace a valid one is not valid yet. It is looked at again when it is.
    #[error(
        "{}: this certificate will be valid in {} s and would replace one that is valid now: it is taken then; \
         the clock of its authority may be ahead, or that of this machine behind",
        path.display(),
        begins_in.as_secs().saturating_add(1)
    )]
    NotYetValid {
        /// The file of the certificate.
        path: PathBuf,
        /// How long until then.
        begins_in: Duration,
    },

    // --- the library
    /// The TLS library refuses certificate, key or authorities for a reason of its own.
    #[error("{}: the TLS library refuses it: {problem}", path.display())]
    Refused {
        /// The file that it is about, as far as one can be named.
        path: PathBuf,
        /// What the library said.
        problem: String,
    },
    /// The TLS library refuses its own defaults: a defect.
    #[error("the TLS library refuses its defaults: {problem}")]
    Library {
        /// What the library said.
        problem: String,
    },
}
