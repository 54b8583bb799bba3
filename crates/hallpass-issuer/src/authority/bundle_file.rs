//! The bundle as a file, for those who read it there: the issuer's own listener, say.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use bytes::Bytes;

/// Puts `bundle` at `path`. Whoever reads there finds the old one or the new one, and never half of it.
///
/// # Errors
/// What the system says.
pub(super) async fn write(path: &Path, bundle: &Bytes) -> io::Result<()> {
    let (path, bundle) = (path.to_owned(), bundle.clone());
    let write = tokio::task::spawn_blocking(move || replace(&path, &bundle));
    write.await.map_err(io::Error::other)?
}

fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let mut file = File::create(&beside)?;
    file.write_all(content)?;
    file.sync_all()?;
    drop(file);
    std::fs::rename(&beside, path)
}
