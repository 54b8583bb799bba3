//! A file that is replaced as a whole, if it is still the one that was read.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, chown};
use std::path::{Path, PathBuf};

use hallpass::config::{MAX_SOURCE_BYTES, Secret, files};

/// Why a file was not replaced.
#[derive(Debug)]
pub(super) enum NotReplaced {
    /// It says something else than what was read.
    Changed,
    Failed(String),
}

/// What a file says.
pub(super) fn read(path: &Path) -> Result<Secret, String> {
    let text = files::read_text(path, MAX_SOURCE_BYTES).map_err(|error| error.to_string())?;
    Ok(Secret::new(text.as_str()))
}

/// Puts `after` in the place of `before`: in one moment, with the same owner and rights, behind a link too. Whoever else writes the
/// file between the last look and the rename, some microseconds, loses what he wrote.
pub(super) fn replace(path: &Path, before: &Secret, after: &Secret) -> Result<(), NotReplaced> {
    let failed = |error: io::Error| NotReplaced::Failed(error.to_string());
    let path = fs::canonicalize(path).map_err(failed)?;
    let partial = partial(&path);
    let placed = write_beside(&path, &partial, after).map_err(failed);
    let placed = placed.and_then(|()| {
        let there = read(&path).map_err(NotReplaced::Failed)?;
        match there.expose() == before.expose() {
            true => fs::rename(&partial, &path).map_err(failed),
            false => Err(NotReplaced::Changed),
        }
    });
    if placed.is_err() {
        let _gone = fs::remove_file(&partial);
    }
    placed
}

fn partial(path: &Path) -> PathBuf {
    path.with_file_name(format!(".hallpass-{}.partial", std::process::id()))
}

fn write_beside(path: &Path, partial: &Path, text: &Secret) -> io::Result<()> {
    let known = path.metadata()?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(partial)?;
    file.write_all(text.expose().as_bytes())?;
    file.sync_all()?;
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (known.uid(), known.gid()) {
        let kept = chown(partial, Some(known.uid()), Some(known.gid()));
        kept.map_err(|error| {
            let message =
                format!("its owner cannot be kept: {error}; run this as its owner, or as root");
            io::Error::new(error.kind(), message)
        })?;
    }
    fs::set_permissions(partial, known.permissions())
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    #[test]
    fn a_file_is_replaced_with_its_rights_and_behind_its_link() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (
            folder.path().join("a.yaml"),
            folder.path().join("link.yaml"),
        );
        fs::write(&file, "one").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        symlink(&file, &link).unwrap();
        replace(&link, &Secret::new("one"), &Secret::new("two")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            2,
            "nothing is left over"
        );
    }

    #[test]
    fn what_somebody_else_has_written_meanwhile_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "theirs").unwrap();
        let refused = replace(&file, &Secret::new("one"), &Secret::new("two"));
        assert!(matches!(refused, Err(NotReplaced::Changed)), "{refused:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "theirs");
        assert_eq!(
            fs::read_dir(folder.path()).unwrap().count(),
            1,
            "nothing is left over"
        );
        let gone = replace(
            &folder.path().join("b.yaml"),
            &Secret::new(""),
            &Secret::new("two"),
        );
        assert!(matches!(gone, Err(NotReplaced::Failed(_))), "{gone:?}");
    }
}
