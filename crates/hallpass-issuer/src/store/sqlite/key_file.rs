//! The file beside the store that holds the sealing key when none is configured.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hallpass_token::Sealer;
use zeroize::Zeroizing;

use super::private_file::{self, create_new, io_error, with_suffix};
use crate::error::Error;

/// What follows the store's file name.
const SUFFIX: &str = ".key";

/// Reads `<store>.key`, or creates it (mode 0600) while there is no store yet.
///
/// An empty file beside no store protects nothing, so a new key replaces it: a start that was cut off left it.
///
/// # Errors
/// [`Error::SealingKeyMissing`] when the store exists without it: a new key could not open the store;
/// [`Error::SealingKeyFile`] when the file holds no key.
pub(super) fn read_or_create(store: &Path, store_exists: bool) -> Result<Zeroizing<String>, Error> {
    let path = beside(store);
    private_file::check(&path)?;
    match std::fs::read_to_string(&path).map(Zeroizing::new) {
        Ok(material) if material.trim().is_empty() && !store_exists => {
            tracing::warn!(path = %path.display(), "an empty sealing key file, left by a start that was cut off: a new key replaces it");
            let material = Sealer::generate_key_material()?;
            let write = Unfinished::write(&path, &material);
            let put = write.and_then(|file| file.replace(&path));
            put.map_err(io_error(&path))?;
            return Ok(material);
        }
        Ok(material) => {
            check(&path, &material)?;
            warn_when_others_can_read(&path);
            return Ok(material);
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(&path)(error)),
    }
    if store_exists {
        return Err(Error::SealingKeyMissing {
            store: store.to_owned(),
            key_file: path,
        });
    }
    let material = Sealer::generate_key_material()?;
    let write = Unfinished::write(&path, &material);
    let created = write.and_then(|file| file.create(&path));
    if !created.map_err(io_error(&path))? {
        // Another process was faster; its key is the one.
        let material = std::fs::read_to_string(&path).map(Zeroizing::new);
        return material.map_err(io_error(&path));
    }
    tracing::info!(
        path = %path.display(),
        "no key-encryption-key is configured: created a sealing key beside the store; back it up apart from the store"
    );
    Ok(material)
}

/// The path of that file.
pub(super) fn beside(store: &Path) -> PathBuf {
    with_suffix(store, SUFFIX)
}

/// A key that was cut short is told with its file: no other setting is wrong.
fn check(path: &Path, material: &str) -> Result<(), Error> {
    let problem = match Sealer::derive(material, b"", "a check of its length") {
        Ok(_) => return Ok(()),
        Err(_) if material.trim().is_empty() => "is empty".to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Error::SealingKeyFile {
        key_file: path.to_owned(),
        problem,
    })
}

/// A file that is whole on the disk before it gets its name: a crash leaves the whole key or none.
struct Unfinished(PathBuf);

impl Unfinished {
    fn write(path: &Path, material: &str) -> io::Result<Self> {
        let unfinished = with_suffix(path, &format!(".{}.new", std::process::id()));
        // One that a crash left holds a key that was never used.
        let _ = std::fs::remove_file(&unfinished);
        let mut file = create_new(&unfinished)?;
        let unfinished = Self(unfinished);
        file.write_all(material.as_bytes())?;
        file.sync_all()?;
        Ok(unfinished)
    }

    /// Gives it the name `path`, unless there is such a file already: then `false`.
    fn create(self, path: &Path) -> io::Result<bool> {
        match std::fs::hard_link(&self.0, path) {
            Ok(()) => sync_folder_of(path).map(|()| true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            // A file system without links.
            Err(_) => self.replace(path).map(|()| true),
        }
    }

    fn replace(self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.0, path)?;
        sync_folder_of(path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A name is on the disk only when its folder is.
fn sync_folder_of(path: &Path) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    sync_folder(folder.unwrap_or(Path::new(".")))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn warn_when_others_can_read(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let others = std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o077 != 0);
    if others {
        tracing::warn!(path = %path.display(), "other users can read the sealing key: chmod 600 it");
    }
}

#[cfg(not(unix))]
fn warn_when_others_can_read(_path: &Path) {}
