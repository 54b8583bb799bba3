//! Reading files, with a limit.
//!
//! Other crates read theirs (a JWK set, a key to import) through here as well, so that the rule "nobody else
//! touches files" can be seen to hold.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
#[cfg(unix)]
use std::time::Duration;

#[cfg(unix)]
use hallpass_clock::{Clock as _, SystemClock};
use hallpass_token::SealedValue;
use zeroize::Zeroizing;

use crate::Secret;

/// Largest file that holds a secret, in bytes.
pub const MAX_SECRET_BYTES: usize = 64 * 1024;
/// How long what comes through a pipe may take.
#[cfg(unix)]
const PIPE_LIMIT: Duration = Duration::from_secs(5);
/// How often an open pipe is looked at.
#[cfg(unix)]
const PIPE_PAUSE: Duration = Duration::from_millis(5);

/// Why a file cannot be read. Its name is not repeated: a secret may have been put in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The operating system refuses.
    #[error("the file cannot be read: {}", why(*.0))]
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
    /// A secret with something in it that no secret has, and that an editor may not show.
    #[error("the secret in it is not one line: it has a line break, a NUL or a byte order mark")]
    NotOneLine,
    /// A sealed secret, which opens in a configuration alone.
    #[error("the secret in it is sealed: a sealed one stands in the configuration itself")]
    Sealed,
    /// A pipe that nobody has written to and closed in time.
    #[error("it is a pipe, and within 5 seconds nobody has written to it and closed it")]
    Silent,
    /// Whoever has written its name may have no file read here: it was not looked for.
    #[error("no file is read here")]
    NotRead,
    /// The process has no descriptor left to open it with.
    #[error(
        "the file cannot be read: too many files and connections are open; raise the limit (`ulimit -n`, `LimitNOFILE`)"
    )]
    NoDescriptors,
}

/// What some editors write at the begin of a text.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// In words that say what to look for.
fn why(kind: io::ErrorKind) -> String {
    match kind {
        io::ErrorKind::NotFound => "there is none of this name".to_owned(),
        kind => kind.to_string(),
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            #[cfg(unix)]
            Some(libc::EMFILE | libc::ENFILE) => Self::NoDescriptors,
            _ => Self::Unreadable(error.kind()),
        }
    }
}

/// Reads a whole file of at most `max_bytes`. The memory is overwritten when the result is dropped.
///
/// It blocks the thread: in an async task use `spawn_blocking`, or read before serving begins. What comes through a pipe
/// must be complete within 5 seconds.
///
/// # Errors
/// When the file cannot be read or is larger.
pub fn read(path: &Path, max_bytes: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    #[cfg(unix)]
    if is_pipe(path) {
        return read_pipe(path, max_bytes);
    }
    let file = File::open(path)?;
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(one_above(max_bytes)).read_to_end(&mut bytes)?;
    at_most(max_bytes, bytes)
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
/// As [`read_text`], and when nothing is left, or more than one line.
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

/// [`read_text`] for a file that was read before and may hold another text now, such as a private key in PEM; `None` as
/// [`read_secret_again`].
#[must_use]
pub fn read_text_again(
    path: &Path,
    max_bytes: usize,
) -> Option<Result<Zeroizing<String>, FileError>> {
    let is_pipe = path.metadata().is_ok_and(|found| !found.is_file());
    (!is_pipe).then(|| read_text(path, max_bytes))
}

fn one_above(max_bytes: usize) -> u64 {
    u64::try_from(max_bytes)
        .unwrap_or(u64::MAX)
        .saturating_add(1)
}

fn at_most(max_bytes: usize, bytes: Zeroizing<Vec<u8>>) -> Result<Zeroizing<Vec<u8>>, FileError> {
    if bytes.len() > max_bytes {
        return Err(FileError::TooLarge { max_bytes });
    }
    Ok(bytes)
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt as _;
    path.metadata()
        .is_ok_and(|found| found.file_type().is_fifo())
}

/// Reads what somebody writes into a pipe until he closes it. Who opens or reads one in the usual way waits for a writer
/// without an end, on a thread that nothing can wake.
#[cfg(unix)]
#[expect(
    clippy::disallowed_methods,
    reason = "it says that it blocks the thread, and this is a limit for that"
)]
fn read_pipe(path: &Path, max_bytes: usize) -> Result<Zeroizing<Vec<u8>>, FileError> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    let mut pipe = options.open(path)?.take(one_above(max_bytes));
    let mut bytes = Zeroizing::new(Vec::new());
    let mut was_written = false;
    // Not by the pauses: on a busy machine each takes longer than it says.
    let clock = SystemClock::new();
    let end = clock.monotonic() + PIPE_LIMIT;
    while clock.monotonic() < end {
        match pipe.read_to_end(&mut bytes) {
            // Without a writer a pipe is at its end, before the first one too.
            Ok(_) if was_written || !bytes.is_empty() => return at_most(max_bytes, bytes),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => was_written = true,
            Err(error) => return Err(error.into()),
        }
        std::thread::sleep(PIPE_PAUSE);
    }
    Err(FileError::Silent)
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
        secret if secret.contains(['\r', '\n', '\0', BYTE_ORDER_MARK]) => {
            Err(FileError::NotOneLine)
        }
        secret if SealedValue::is_marked(secret) => Err(FileError::Sealed),
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

    #[cfg(unix)]
    fn pipe(folder: &tempfile::TempDir) -> std::path::PathBuf {
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        path
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_that_nobody_writes_to_is_not_waited_for_without_an_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = pipe(&folder);
        let (said, heard) = std::sync::mpsc::channel();
        std::thread::spawn(move || said.send(read(&path, 10)));
        let read = heard.recv_timeout(Duration::from_secs(30));
        assert_eq!(read.expect("it ends").unwrap_err(), FileError::Silent);
    }

    #[cfg(unix)]
    #[test]
    fn what_comes_through_a_pipe_is_read_to_its_end_and_within_the_limit() {
        use std::io::Write as _;
        let folder = tempfile::tempdir().unwrap();
        let path = pipe(&folder);
        for (max_bytes, result) in [
            (10, Ok(b"12345".to_vec())),
            (4, Err(FileError::TooLarge { max_bytes: 4 })),
        ] {
            let writer = path.clone();
            let written = std::thread::spawn(move || {
                let mut file = File::options().write(true).open(writer).unwrap();
                file.write_all(b"12").unwrap();
                // The reader has gone away where it has too much already.
                let _broken = file.write_all(b"345");
            });
            assert_eq!(read(&path, max_bytes).map(|read| read.to_vec()), result);
            written.join().unwrap();
        }
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
        for odd in ["one\ntwo", "one\0", "\u{feff}one", "one\rtwo\n"] {
            let refused = read_secret(file(odd.as_bytes()).path());
            assert_eq!(refused.unwrap_err(), FileError::NotOneLine, "{odd:?}");
        }
        let sealed = read_secret(file(b"$sealed$0123abcd$AQ\n").path());
        assert_eq!(sealed.unwrap_err(), FileError::Sealed);
        let missing = read_secret(Path::new("/nonexistent/InternalSecret123!")).unwrap_err();
        assert_eq!(missing, FileError::Unreadable(io::ErrorKind::NotFound));
        assert!(!missing.to_string().contains("InternalSecret123!"));
    }
}
