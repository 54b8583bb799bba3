//! The file beside the store that holds the sealing key when none is configured.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use hallpass_token::Sealer;
use zeroize::Zeroizing;

use super::private_file::{io_error, options};
use crate::error::Error;

/// What follows the store's file name.
const SUFFIX: &str = ".key";

/// Reads `<store>.key`, or creates it (mode 0600) while there is no store yet.
///
/// # Errors
/// [`Error::SealingKeyMissing`] when the store exists without it: a new key could not open the store.
pub(super) fn read_or_create(store: &Path, store_exists: bool) -> Result<Zeroizing<String>, Error> {
    let path = beside(store);
    match std::fs::read_to_string(&path) {
        Ok(material) => {
            warn_when_others_can_read(&path);
            return Ok(material.into());
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(io_error(&path)(error)),
    }
    if store_exists {
        return Err(Error::SealingKeyMissing {
            store: store.to_owned(),
            key_file: path,
        });
    }
    let material = Sealer::generate_key_material()?;
    let mut file = options()
        .create_new(true)
        .open(&path)
        .map_err(io_error(&path))?;
    file.write_all(material.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(io_error(&path))?;
    tracing::info!(
        path = %path.display(),
        "no key-encryption-key is configured: created a sealing key beside the store; back it up apart from the store"
    );
    Ok(material)
}

/// The path of that file.
fn beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(SUFFIX);
    PathBuf::from(name)
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
