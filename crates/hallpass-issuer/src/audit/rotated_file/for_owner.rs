//! A file that root makes for somebody else: a command that root runs must not leave one that the issuer, which is another user, cannot write.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// Makes the file at `path` (mode 0600) for the owner and the group of its folder. `None`: it is there already, or this is not root, who alone can.
///
/// The folder may be one that others write. So it is opened once, and nothing that is there already, a link say, is followed or given away.
///
/// # Errors
/// Why it could not be made.
pub(super) fn create(path: &Path) -> io::Result<Option<File>> {
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty());
    let (folder, Some(name)) = (folder.unwrap_or(Path::new(".")), path.file_name()) else {
        return Ok(None);
    };
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let folder = File::open(folder)?;
    let how = OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    let how = how | OFlags::APPEND | OFlags::RDWR | OFlags::CLOEXEC;
    let file = match openat(&folder, name, how, Mode::RUSR | Mode::WUSR) {
        Ok(file) => File::from(file),
        Err(Errno::EXIST) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let owner = folder.metadata()?;
    // In a container root may have lost this right: then the file is root's, and what is to be written into it comes first.
    if let Err(error) = fchown(&file, Some(owner.uid()), Some(owner.gid())) {
        tracing::warn!(%error, "a new audit file could not be given to the owner of its folder");
    }
    Ok(Some(file))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{chown, symlink};

    use super::super::RotatedFile;

    /// Nobody in particular.
    const USER: u32 = 64_001;

    #[test]
    fn what_root_makes_is_its_folders_owners_and_what_is_there_stays_whose_it_is() {
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a file to somebody else");
            return;
        }
        use std::os::unix::fs::MetadataExt as _;
        let folder = tempfile::tempdir().unwrap();
        chown(folder.path(), Some(USER), Some(USER + 1)).unwrap();
        let write = |name: &str| {
            let mut file = RotatedFile::new(folder.path().join(name), 0, 0);
            file.write(b"1\n").unwrap();
            let made = fs::metadata(folder.path().join(name)).unwrap();
            (made.uid(), made.gid(), made.mode() & 0o777)
        };
        assert_eq!(write("audit.jsonl"), (USER, USER + 1, 0o600));
        fs::write(folder.path().join("known"), "").unwrap();
        assert_eq!(write("known").0, 0);
        // Whoever may write the folder is given nothing elsewhere.
        let elsewhere = tempfile::tempdir().unwrap();
        let target = elsewhere.path().join("target");
        symlink(&target, folder.path().join("link")).unwrap();
        assert_eq!(write("link").0, 0);
        assert_eq!(fs::metadata(&target).unwrap().uid(), 0);
    }
}
