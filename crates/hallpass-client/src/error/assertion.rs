//! What is wrong with the token that proves who a service is.

use hallpass_config::files::FileError;

/// Why the token in `client-assertion-file` is not sent to the issuer, and none that stood there before is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AssertionFault {
    /// There is no file, or it is empty, too large or cannot be read.
    #[error("{0}")]
    File(FileError),
    /// A folder or a pipe: nothing that could be read again.
    #[error("it is no file that can be read again")]
    NotAFile,
    /// Not three parts of base64 with dots between them.
    #[error("what stands in it is no JWT")]
    NotAJwt,
    /// Its `exp` is over by this machine's clock: nobody has renewed it.
    #[error("the token in it has ended, and nobody has renewed it")]
    Ended,
}
