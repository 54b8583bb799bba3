//! What was last good, on disk: readable for nobody else, and never half written.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hallpass_config::files;
use hallpass_upstream::Reminders;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::SnapshotError;

/// Largest snapshot, in bytes.
const MAX_SNAPSHOT_BYTES: usize = 16 * 1024 * 1024;

/// One file, which holds one value as JSON.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    path: PathBuf,
    said: Arc<Reminders>,
}

impl Snapshot {
    /// The file for what `what` says, in `folder`. Others than that never meet in one file: `key` says what is asked for.
    pub(crate) fn new(folder: &Path, what: &str, key: &str) -> Self {
        let path = folder.join(format!("{what}-{:016x}.json", digest(key)));
        let said = Arc::default();
        Self { path, said }
    }

    /// Reads it. Blocks the thread.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, SnapshotError> {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| !is_private(&file)) {
            return Err(SnapshotError::NotPrivate);
        }
        let text = files::read(&self.path, MAX_SNAPSHOT_BYTES)?;
        serde_json::from_slice(&text).map_err(|_| SnapshotError::Other)
    }

    /// Writes it in place of the one before, all or nothing. Blocks the thread. A failure is logged: a snapshot is a
    /// help for another day.
    pub(crate) fn write<T: Serialize>(&self, value: &T) {
        let file = self.path.display();
        match self.try_write(value) {
            Ok(()) => _ = self.said.over(),
            Err(error) if self.said.is_due("written") => {
                tracing::warn!(%error, %file, "the snapshot for a start without Nacos cannot be written");
            }
            // It is tried at each look.
            Err(error) => tracing::debug!(%error, %file, "the snapshot still cannot be written"),
        }
    }

    fn try_write<T: Serialize>(&self, value: &T) -> io::Result<()> {
        let text = serde_json::to_vec(value)?;
        if text.len() > MAX_SNAPSHOT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        if fs::read(&self.path).is_ok_and(|before| before == text) {
            return Ok(());
        }
        let folder = self.path.parent().unwrap_or(Path::new(""));
        make_folder(folder)?;
        // Named by process: two of the same service on one machine do not write into each other's.
        let partial = self
            .path
            .with_extension(format!("{}.partial", std::process::id()));
        // What a process of the same number left behind when it was killed.
        let _none = fs::remove_file(&partial);
        let written = write_new(&partial, &text).and_then(|()| fs::rename(&partial, &self.path));
        if written.is_err() {
            let _none = fs::remove_file(&partial);
        }
        written
    }
}

/// Whether nobody else can have put it there or changed it, as far as the file itself says. Its owner and its folder are the
/// administrator's.
fn is_private(file: &fs::Metadata) -> bool {
    #[cfg(unix)]
    let for_others = std::os::unix::fs::MetadataExt::mode(file) & 0o002 != 0;
    #[cfg(not(unix))]
    let for_others = false;
    file.is_file() && !for_others
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn write_new(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(text)?;
    file.sync_all()
}

/// FNV-1a: it only has to be the same tomorrow.
fn digest(text: &str) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_snapshot_is_for_its_owner_alone_and_leaves_nothing_else_behind() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("made/here");
        let snapshot = Snapshot::new(&folder, "config", "public");
        for value in [vec!["one"], vec!["one", "two"]] {
            snapshot.write(&value);
            assert_eq!(snapshot.read::<Vec<String>>().unwrap(), value);
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&snapshot.path), 0o600);
        assert_eq!(mode(&folder), 0o700);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_and_a_file_that_everybody_may_write_are_no_snapshots_and_no_link_is_written_through()
    {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(folder.path(), "config", "a");
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, "[\"theirs\"]").unwrap();
        std::os::unix::fs::symlink(&elsewhere, &snapshot.path).unwrap();
        let refused = Err(SnapshotError::NotPrivate);
        assert_eq!(snapshot.read::<Vec<String>>(), refused);
        snapshot.write(&vec!["ours"]);
        assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "[\"theirs\"]");
        assert_eq!(snapshot.read::<Vec<String>>(), Ok(vec!["ours".to_owned()]));
        for (mode, is_read) in [(0o660, true), (0o644, true), (0o606, false), (0o666, false)] {
            fs::set_permissions(&snapshot.path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(snapshot.read::<Vec<String>>().is_ok(), is_read, "{mode:o}");
        }
    }

    #[test]
    fn the_name_of_a_snapshot_is_the_same_in_each_version() {
        // FNV-1a, as its authors publish it.
        assert_eq!(digest(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest("a"), 0xaf63_dc4c_8601_ec8c);
        let name = Snapshot::new(Path::new("f"), "config", "a").path;
        assert_eq!(name, Path::new("f/config-af63dc4c8601ec8c.json"));
    }

    #[test]
    fn what_could_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(folder.path(), "config", "a");
        snapshot.write(&"good");
        snapshot.write(&"x".repeat(MAX_SNAPSHOT_BYTES));
        assert_eq!(snapshot.read::<String>(), Ok("good".to_owned()));
    }

    #[test]
    fn what_is_not_a_snapshot_is_said_to_be_none() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = Snapshot::new(folder.path(), "config", "a");
        assert!(matches!(
            snapshot.read::<Vec<String>>(),
            Err(SnapshotError::File(_))
        ));
        fs::write(&snapshot.path, "[\"half").unwrap();
        assert_eq!(snapshot.read::<Vec<String>>(), Err(SnapshotError::Other));
        assert_ne!(
            Snapshot::new(folder.path(), "config", "b").path,
            snapshot.path
        );
    }
}
