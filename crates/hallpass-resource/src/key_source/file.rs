//! Keys from a file.

use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use super::MAX_KEY_SET_BYTES;
use super::fetch::{Fetched, parse};
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

fn read_blocking(path: &PathBuf) -> Result<Fetched, KeysError> {
    let error = |error: std::io::Error| KeysError::File(error.to_string());
    let mut text = Vec::new();
    let limit = MAX_KEY_SET_BYTES as u64 + 1;
    File::open(path)
        .map_err(error)?
        .take(limit)
        .read_to_end(&mut text)
        .map_err(error)?;
    if text.len() > MAX_KEY_SET_BYTES {
        return Err(KeysError::TooLarge {
            limit: MAX_KEY_SET_BYTES,
        });
    }
    Ok(Fetched::new(parse(&text, "file")?))
}
