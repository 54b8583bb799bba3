//! One process at a time opens a store: of several first starts one makes it, and the others find it made.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::private_file::{self, io_error, open_or_create, with_suffix};
use crate::error::Error;

/// What follows the store's file name.
const SUFFIX: &str = ".lock";
/// How long another process may take to open the store.
const WAIT_LIMIT: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Waits until no other process opens the store, and keeps others from it while the file lives. The empty file stays:
/// who removed it would take it from those that wait. In a folder that cannot be written nobody makes a store: an existing
/// one is opened without it.
///
/// # Errors
/// [`Error::StoreBusy`] after ten seconds, [`Error::File`].
pub(super) async fn take(store: &Path) -> Result<Option<File>, Error> {
    let path = with_suffix(store, SUFFIX);
    private_file::check(&path)?;
    let file = match open_or_create(&path) {
        Ok(file) => file,
        Err(error) if is_closed(&error) && store.exists() => return Ok(None),
        Err(error) => return Err(io_error(&path)(error)),
    };
    let locked = async {
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(()),
                Err(TryLockError::WouldBlock) => sleep(LOOK_AGAIN).await,
                Err(TryLockError::Error(source)) => return Err(io_error(&path)(source)),
            }
        }
    };
    match timeout(WAIT_LIMIT, locked).await {
        Ok(locked) => locked.map(|()| Some(file)),
        Err(_) => Err(Error::StoreBusy {
            store: store.display().to_string(),
        }),
    }
}

fn is_closed(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
    )
}
