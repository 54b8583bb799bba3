//! What the files of a section hold at one moment.

use std::path::{Path, PathBuf};

use hallpass_config::files::{self, FileError};
use zeroize::Zeroizing;

use crate::error::TlsError;

/// Largest file of certificates or of a key, in bytes. A bundle of all public authorities has some 220 KiB.
const MAX_FILE_BYTES: usize = 1024 * 1024;

/// Each file with its content, or why there is none. It holds private keys: no `Debug`, and wiped in the end.
#[derive(PartialEq, Eq)]
pub(crate) struct Contents {
    files: Vec<(PathBuf, Content)>,
}

type Content = Result<Zeroizing<Vec<u8>>, FileError>;

impl Contents {
    /// Reads the files. Blocks the thread.
    pub(crate) fn read<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let read = |path: &'p Path| (path.to_owned(), files::read(path, MAX_FILE_BYTES));
        Self {
            files: paths.into_iter().map(read).collect(),
        }
    }

    /// The content of a file that was read.
    ///
    /// # Errors
    /// [`TlsError::File`].
    pub(crate) fn of(&self, path: &Path) -> Result<&[u8], TlsError> {
        let found = self.files.iter().find(|(known, _)| known == path);
        let problem = match found.map(|(_, content)| content) {
            Some(Ok(content)) => return Ok(content),
            Some(Err(error)) => *error,
            None => FileError::Unreadable(std::io::ErrorKind::NotFound),
        };
        Err(TlsError::File {
            path: path.to_owned(),
            problem,
        })
    }
}
