//! A file that root makes for somebody else: a command that root runs must not leave one that the issuer, which is another user, cannot read or write.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// Makes the file at `path` (mode 0600) for the owner and the group of its folder, to be read, and written at its end. `None`: it is there already, or this is
/// not root, who alone can.
///
/// The folder may be one that others write. So it is opened once, and nothing that is there already, a link say, is followed or given away.
///
/// # Errors
/// Why it could not be made.
pub(crate) fn create(path: &Path) -> io::Result<Option<File>> {
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
        tracing::warn!(%error, path = %path.display(), "a new file could not be given to the owner of its folder");
    }
    Ok(Some(file))
}
