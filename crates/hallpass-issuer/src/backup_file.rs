//! The file of a backup: whole, or not there, and for its owner alone.

use std::fs::OpenOptions;
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::error::Error;

/// The largest that is read; a million clients need less.
const MAX_BYTES: u64 = 4 << 30;

/// Writes a new file.
///
/// # Errors
/// [`Error::File`], also when there is one already. What could not be written as a whole is taken away.
pub(crate) fn write(to: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(to).map_err(io_error(to))?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(|source| {
        let _gone = std::fs::remove_file(to);
        io_error(to)(source)
    })
}

/// # Errors
/// [`Error::File`], and [`Error::Backup`] for bytes that no backup has.
pub(crate) fn read(from: &Path) -> Result<String, Error> {
    let file = OpenOptions::new().read(true).open(from);
    let mut bytes = Vec::new();
    let read = file.and_then(|file| file.take(MAX_BYTES).read_to_end(&mut bytes));
    read.map_err(io_error(from))?;
    String::from_utf8(bytes).map_err(|_| Error::Backup {
        problem: "it was changed, or is none: it has bytes in it that no backup has".to_owned(),
    })
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::File {
        path: path.to_owned(),
        source,
    }
}
