//! What root writes for a service that is another user: the service has to read it, and to replace it later.

use std::fs::File;
use std::io;
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::Path;

use rustix::fs::{Dir, Mode, OFlags, open, openat};

/// Gives the new folder at `made`, with the files in it, to the owner and the group of the folder `of`, where they are others and this is root.
///
/// Where it may not, it is said, and what was written counts.
pub(super) fn give(made: &Path, of: &Path) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    if let Err(error) = try_give(made, of) {
        tracing::warn!(%error, path = %made.display(), "what root has written could not be given to the owner of its folder");
    }
}

/// Whoever owns `of` may put a link into the place of `made`: none is followed, and nothing is given away that is not root's already. Within a folder that
/// is root's alone nobody else puts anything.
fn try_give(made: &Path, of: &Path) -> io::Result<()> {
    let owner = std::fs::metadata(of)?;
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = File::from(open(made, how | OFlags::DIRECTORY, Mode::empty())?);
    let found = folder.metadata()?;
    if found.uid() != 0 || found.mode() & 0o077 != 0 {
        return Ok(());
    }
    let (user, group) = (Some(owner.uid()), Some(owner.gid()));
    for entry in Dir::read_from(&folder)? {
        let entry = entry?;
        let how = how | OFlags::NONBLOCK;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        let file = File::from(openat(&folder, entry.file_name(), how, Mode::empty())?);
        let found = file.metadata()?;
        if found.is_file() && found.uid() == 0 && found.nlink() == 1 {
            fchown(&file, user, group)?;
        }
    }
    fchown(&folder, user, group)
}
