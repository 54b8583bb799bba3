//! By which a command tells that an issuer runs on a file that is not at the path of the store any more.
//!
//! An issuer that runs holds a shared lock on the file `<store>.issuer`, in which the one that started last says which file it has opened.
//! The lock ends with the process, whatever ends that.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::Duration;

use tokio::time::sleep;

use super::private_file::{self, identity, options, with_suffix};
use crate::error::Error;

/// What follows the store's file name.
const SUFFIX: &str = ".issuer";
/// How often, and at what distance, the lock is tried: commands have it for moments.
const TRIES: u32 = 50;
const TRY_AGAIN: Duration = Duration::from_millis(5);

/// Says that an issuer runs on `file` of the store at `path`, until what comes back is dropped. `None` where that cannot be said, as in a
/// folder that cannot be written: then commands cannot tell.
pub(super) async fn put(path: &Path, file: (u64, u64)) -> Option<File> {
    let mark = with_suffix(path, SUFFIX);
    private_file::check(&mark).ok()?;
    let mut mark = options()
        .read(true)
        .create(true)
        .truncate(false)
        .open(mark)
        .ok()?;
    for _ in 0..TRIES {
        match mark.try_lock_shared() {
            Ok(()) => {
                // In one write, and always as long: a reader finds one or the other.
                return mark.write_all(text(file).as_bytes()).ok().map(|()| mark);
            }
            Err(TryLockError::WouldBlock) => sleep(TRY_AGAIN).await,
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

/// Whether what is written into the file at `path` reaches the issuer that runs, as far as that can be told.
///
/// # Errors
/// [`Error::IssuerOnOtherFile`].
pub(super) fn check(path: &Path) -> Result<(), Error> {
    let other = || Error::IssuerOnOtherFile {
        store: path.display().to_string(),
    };
    let here = identity(path).ok().map(text);
    match running(&with_suffix(path, SUFFIX)) {
        Ok(Some(file)) if here.is_none_or(|here| here != file) => Err(other()),
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Which file an issuer has opened that runs; `None` when none runs, or does not say.
fn running(mark: &Path) -> io::Result<Option<String>> {
    if !std::fs::metadata(mark)?.is_file() {
        return Ok(None);
    }
    let mark = File::open(mark)?;
    match mark.try_lock() {
        Err(TryLockError::WouldBlock) => {}
        Ok(()) | Err(TryLockError::Error(_)) => return Ok(None),
    }
    let mut file = String::new();
    (&mark).take(LENGTH).read_to_string(&mut file)?;
    let is_whole = u64::try_from(file.len()).is_ok_and(|length| length == LENGTH);
    Ok(is_whole.then_some(file))
}

/// Bytes of [`text`].
const LENGTH: u64 = 17;

/// Without the device, which a container may see by another number. While the old file is open, no other one of its file system has its
/// number.
fn text((_device, inode): (u64, u64)) -> String {
    format!("{inode:016x}\n")
}
