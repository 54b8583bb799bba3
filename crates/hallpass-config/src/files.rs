//! Reading files, with a limit.
//!
//! Other crates read theirs (a JWK set, a key to import) through here as well, so that the rule "nobody else
//! touches files" can be seen to hold.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::Secret;

/// Largest file that holds a secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;

/// Why a file cannot be read. Its name is not repeated: a secret may have been put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refuses.
    #[error("the file cannot be read: {0}")]
    Unreadable(io::ErrorKind),
    /// Larger than the caller wants to read.
    #[error("the file is larger than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// Not UTF-8.
    #[error("the file is not UTF-8 text")]
    NotText,
    /// Nothing in it.
    #[error("the file is empty")]
    Empty,
}

/// Reads a whole file of at most `max_bytes`. The memory is overwritten when the result is dropped.
///
/// It blocks the thread: in an async task use `spawn_blocking`, or read before serving begins.
///
/// # Errors
/// When the file cannot be read or is larger.
pub fn read(path: &Path, max_bytes: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = File::open(path).map_err(|error| FileError::Unreadable(error.kind()))?;
    let mut bytes = Zeroizing::new(Vec::new());
    let limit = u64::try_from(max_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1);
    let read = file.take(limit).read_to_end(&mut bytes);
    read.map_err(|error| FileError::Unreadable(error.kind()))?;
    if bytes.len() > max_bytes {
        return Err(FileError::TooLarge { max_bytes });
    }
    Ok(bytes)
}

/// Reads a whole text file of at most `max_bytes`.
///
/// # Errors
/// As [`read`], and when it is not UTF-8.
pub fn read_text(path: &Path, max_bytes: usize) -> Result<Zeroizing<String>, FileError> {
    text_of(&read(path, max_bytes)?)
}

/// Reads a secret of at most [`MAX_SECRET_BYTES`], without the line ends that editors put after it.
///
/// # Errors
/// As [`read_text`], and when nothing is left.
pub fn read_secret(path: &Path) -> Result<Secret, FileError> {
    secret_of(&read(path, MAX_SECRET_BYTES)?)
}

/// The same for a file that was read before and may hold another secret now. `None` for what can be read once only, such as
/// a pipe: another look would find it empty, or wait for a writer without an end.
#[must_use]
pub fn read_secret_again(path: &Path) -> Option<Result<Secret, FileError>> {
    let is_pipe = path.metadata().is_ok_and(|found| !found.is_file());
    (!is_pipe).then(|| read_secret(path))
}

/// The text in a file that was read.
pub(crate) fn text_of(bytes: &[u8]) -> Result<Zeroizing<String>, FileError> {
    let text = std::str::from_utf8(bytes).map_err(|_| FileError::NotText)?;
    Ok(Zeroizing::new(text.to_owned()))
}

/// The secret in a file that was read.
pub(crate) fn secret_of(bytes: &[u8]) -> Result<Secret, FileError> {
    match text_of(bytes)?.trim_end_matches(['\r', '\n']) {
        "" => Err(FileError::Empty),
        secret => Ok(Secret::new(secret)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &[u8]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn a_secret_ends_before_the_line_end() {
        let file = file(b" a b \r\n\n");
        assert_eq!(read_secret(file.path()).unwrap().expose(), " a b ");
    }

    #[test]
    fn a_file_at_the_limit_is_read_and_one_above_is_not() {
        let file = file(b"12345");
        assert_eq!(**read(file.path(), 5).unwrap(), *b"12345");
        assert_eq!(
            read(file.path(), 4).unwrap_err(),
            FileError::TooLarge { max_bytes: 4 }
        );
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        assert_eq!(
            read_secret(file(b"\n").path()).unwrap_err(),
            FileError::Empty
        );
        assert_eq!(
            read_secret(file(b"\xff").path()).unwrap_err(),
            FileError::NotText
        );
        let missing = read_secret(Path::new("/nonexistent/InternalSecret123!")).unwrap_err();
        assert_eq!(missing, FileError::Unreadable(io::ErrorKind::NotFound));
        assert!(!missing.to_string().contains("InternalSecret123!"));
    }
}
