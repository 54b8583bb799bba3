//! A file that is replaced as a whole, if it is still the one that was read.

use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::Path;

use hallpass::config::{MAX_SOURCE_BYTES, Secret, files};
use tempfile::NamedTempFile;

/// What is kept of a file's rights: who reads and writes it, never as whom it is run.
const RIGHTS: u32 = 0o777;

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
///
/// Whoever may write the folder need not be the one who runs this. So the new file has a name that nobody knows before, is made anew
/// (a link that is there is not followed), and its owner and rights are set on the open file.
pub(super) fn replace(path: &Path, before: &Secret, after: &Secret) -> Result<(), NotReplaced> {
    let failed = |error: io::Error| NotReplaced::Failed(error.to_string());
    let path = fs::canonicalize(path).map_err(failed)?;
    let partial = write_beside(&path, after).map_err(failed)?;
    let there = read(&path).map_err(NotReplaced::Failed)?;
    if there.expose() != before.expose() {
        return Err(NotReplaced::Changed);
    }
    let placed = partial.persist(&path);
    placed.map(|_file| ()).map_err(|fault| failed(fault.error))
}

/// A file beside `path`, which is removed again unless it is put in its place.
fn write_beside(path: &Path, text: &Secret) -> io::Result<NamedTempFile> {
    let folder = path.parent().unwrap_or_else(|| Path::new("/"));
    let known = path.symlink_metadata()?;
    if !known.is_file() {
        return Err(io::Error::other("is no file"));
    }
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hallpass-").suffix(".partial");
    let mut partial = builder.tempfile_in(folder)?;
    partial.write_all(text.expose().as_bytes())?;
    let file = partial.as_file();
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (known.uid(), known.gid()) {
        let kept = fchown(file, Some(known.uid()), Some(known.gid()));
        kept.map_err(|error| {
            let message =
                format!("its owner cannot be kept: {error}; run this as its owner, or as root");
            io::Error::new(error.kind(), message)
        })?;
    }
    file.set_permissions(Permissions::from_mode(known.mode() & RIGHTS))?;
    file.sync_all()?;
    Ok(partial)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

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

    /// Whoever may write the folder must not lead us to another file.
    #[test]
    fn a_link_in_the_folder_is_not_written_through() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a.yaml"), folder.path().join("other"));
        fs::write(&file, "one").unwrap();
        fs::write(&other, "not yours").unwrap();
        let own = format!(".hallpass-{}.partial", std::process::id());
        symlink(&other, folder.path().join(own)).unwrap();
        replace(&file, &Secret::new("one"), &Secret::new("two")).unwrap();
        assert_eq!(fs::read_to_string(&other).unwrap(), "not yours");
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert!(file.symlink_metadata().unwrap().is_file(), "no link");
    }

    #[test]
    fn nobody_becomes_another_by_the_rights_of_the_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yaml");
        fs::write(&file, "one").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o4755)).unwrap();
        replace(&file, &Secret::new("one"), &Secret::new("two")).unwrap();
        let mode = file.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o755);
    }
}
