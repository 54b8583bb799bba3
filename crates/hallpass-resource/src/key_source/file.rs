//! Keys from a file.

use std::path::{Path, PathBuf};

use hallpass_config::files::{self, FileError};

use super::fetch::{Fetched, parse};
use super::limits::MAX_KEY_SET_BYTES;
use crate::error::KeysError;

/// Reads the file as it is now.
///
/// It is read whole each time instead of asking for its time of change: it is small, and a clock with coarse ticks
/// can not hide a change then. Together with key and secret reload elsewhere this is the only file read after start.
pub(super) async fn read(path: PathBuf) -> Result<Fetched, KeysError> {
    match tokio::task::spawn_blocking(move || read_blocking(&path)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(KeysError::Cancelled),
    }
}

fn read_blocking(path: &Path) -> Result<Fetched, KeysError> {
    let text = files::read(path, MAX_KEY_SET_BYTES).map_err(|error| match error {
        FileError::TooLarge { max_bytes } => KeysError::TooLarge { limit: max_bytes },
        other => KeysError::File(other.to_string()),
    })?;
    Ok(Fetched::new(parse(&text, "file")?))
}
