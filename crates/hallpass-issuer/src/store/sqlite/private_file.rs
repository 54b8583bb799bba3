//! Files that only their owner can read.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Nothing, or a file, must be at `path`, in a folder that exists. Who opens a pipe waits for its other end, and a stop would wait
/// with him.
///
/// # Errors
/// [`Error::File`].
pub(super) fn check(path: &Path) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => Err(io_error(path)(io::Error::other("it is not a file"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_folder(path),
        // What else is wrong, the system says when the file is opened.
        Ok(_) | Err(_) => Ok(()),
    }
}

fn check_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    match folder.map(|folder| (folder, folder.try_exists())) {
        Some((folder, Ok(false))) => {
            let problem = "there is no such folder for the store: create it first";
            Err(io_error(folder)(io::Error::new(
                io::ErrorKind::NotFound,
                problem,
            )))
        }
        _ => Ok(()),
    }
}

/// An empty file at `path` unless there is one, created before any secret goes in.
///
/// # Errors
/// [`Error::File`].
pub(super) fn create(path: &Path) -> Result<(), Error> {
    open_or_create(path).map(|_| ()).map_err(io_error(path))
}

/// The file at `path`, made where there is none: by root for the owner of the folder, since the issuer may be another user.
pub(super) fn open_or_create(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    if let Some(file) = crate::for_owner::create(path)? {
        return Ok(file);
    }
    options().create(true).truncate(false).open(path)
}

/// The same, of one that must not be there.
pub(super) fn create_new(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    if let Some(file) = crate::for_owner::create(path)? {
        return Ok(file);
    }
    options().create_new(true).open(path)
}

/// A file beside another one.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Which file the name means now. Where the system does not number its files, all are alike.
#[cfg(unix)]
pub(super) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).map(|file| (file.dev(), file.ino()))
}

#[cfg(not(unix))]
pub(super) fn identity(path: &Path) -> io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|_| (0, 0))
}

/// Why this process may not open the file at `path`, where that is because of whose it is: the database would not say it.
#[cfg(unix)]
pub(super) fn why_closed(path: &Path) -> Option<Error> {
    use std::os::unix::fs::MetadataExt as _;

    use rustix::fs::{Access, access};

    let file = std::fs::metadata(path).ok()?;
    let (own, user) = (rustix::process::geteuid().as_raw(), file.uid());
    access(path, Access::READ_OK | Access::WRITE_OK).err()?;
    let problem = format!(
        "permission denied: it belongs to user {user} (mode {:03o}), and this runs as user {own}: run it as the user of the issuer",
        file.mode() & 0o777
    );
    let problem = io::Error::new(io::ErrorKind::PermissionDenied, problem);
    Some(io_error(path)(problem))
}

#[cfg(not(unix))]
pub(super) fn why_closed(_: &Path) -> Option<Error> {
    None
}

/// Write access with mode 0600 where the system knows modes.
pub(super) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

pub(super) fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |source| Error::File {
        path: path.to_owned(),
        source,
    }
}
