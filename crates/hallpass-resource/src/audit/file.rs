//! Events in a file of their own, one a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::Arc;

use hallpass_upstream::Reminders;

/// The file that is written now. Its methods block: they are for the thread that writes events.
#[derive(Debug, Default)]
pub(super) struct AuditFile {
    open: Option<Open>,
    is_failing: bool,
    said: Reminders,
}

#[derive(Debug)]
struct Open {
    path: Arc<Path>,
    file: File,
}

impl AuditFile {
    /// Adds `line`, which has no end yet, to the file at `path`, and says in the log when that does not work, or works again. Returns whether it
    /// was written whole.
    pub(super) fn write(&mut self, path: &Arc<Path>, line: String) -> bool {
        match self.try_write(path, line) {
            Ok(()) => {
                if std::mem::take(&mut self.is_failing) {
                    self.said.over();
                    tracing::info!(path = %path.display(), "audit events are written to their file again");
                }
                true
            }
            Err(error) => {
                // Opened anew with the next event: what stands in the way may be that it was taken away.
                self.open = None;
                self.is_failing = true;
                if let Some(times) = self.said.times("file") {
                    tracing::error!(path = %path.display(), %error, times, "an audit event could not be written to its file and is lost there");
                }
                false
            }
        }
    }

    fn try_write(&mut self, path: &Arc<Path>, mut line: String) -> io::Result<()> {
        let is_there = self.open.as_ref().is_some_and(|it| it.is_at(path));
        if !is_there {
            self.open = None;
        }
        let open = match &mut self.open {
            Some(open) => open,
            none => none.insert(Open::at(path)?),
        };
        line.push('\n');
        // In one call: other processes may write at the end of the same file.
        open.file.write_all(line.as_bytes())
    }
}

impl Open {
    fn at(path: &Arc<Path>) -> io::Result<Self> {
        // Whoever opens a pipe waits for its reader, without an end.
        let is_no_file = path.metadata().is_ok_and(|found| !found.is_file());
        if is_no_file {
            return Err(io::Error::other("it is not a file"));
        }
        let mut options = OpenOptions::new();
        options.create(true).append(true).read(true);
        // It names people.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        if ends_within_a_line(&mut file)? {
            file.write_all(b"\n")?;
        }
        Ok(Self {
            path: Arc::clone(path),
            file,
        })
    }

    /// Whether it still is what stands at `path`.
    fn is_at(&self, path: &Arc<Path>) -> bool {
        self.path == *path && self.is_in_place()
    }

    #[cfg(unix)]
    fn is_in_place(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let (Ok(open), Ok(there)) = (self.file.metadata(), self.path.metadata()) else {
            return false;
        };
        (open.dev(), open.ino()) == (there.dev(), there.ino())
    }

    #[cfg(not(unix))]
    fn is_in_place(&self) -> bool {
        self.path.exists()
    }
}

/// Whether a disk that was full, or a process that was killed, has left half of a line.
fn ends_within_a_line(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != [b'\n'])
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, symlink};

    use super::*;

    fn at(folder: &tempfile::TempDir) -> Arc<Path> {
        folder.path().join("audit.jsonl").into()
    }

    #[test]
    fn lines_are_added_at_the_end_for_the_owner_alone_and_a_file_that_was_moved_away_is_made_anew()
    {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (at(&folder), folder.path().join("audit.jsonl.1"));
        let mut file = AuditFile::default();
        assert!(file.write(&path, "1".to_owned()));
        assert_eq!(path.metadata().unwrap().mode() & 0o777, 0o600);
        fs::rename(&path, &moved).unwrap();
        assert!(file.write(&path, "2".to_owned()));
        fs::remove_file(&path).unwrap();
        assert!(file.write(&path, "3".to_owned()));
        // As `copytruncate` does.
        File::options()
            .write(true)
            .truncate(true)
            .open(&path)
            .unwrap();
        assert!(file.write(&path, "4".to_owned()));
        assert_eq!(fs::read_to_string(&moved).unwrap(), "1\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "4\n");
    }

    #[test]
    fn half_a_line_of_before_does_not_run_into_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(&folder);
        fs::write(&path, "{\"half").unwrap();
        let mut file = AuditFile::default();
        assert!(file.write(&path, "{}".to_owned()));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"half\n{}\n");
    }

    #[test]
    fn what_cannot_be_written_is_told_and_writing_goes_on_by_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = at(&folder);
        let mut file = AuditFile::default();
        // A full disk, a folder, a pipe that nobody reads.
        let full = Path::new("/dev/full");
        if full.exists() {
            let mut open = OpenOptions::new();
            let broken = open.append(true).read(true).open(full).unwrap();
            fs::write(&path, "").unwrap();
            symlink(full, folder.path().join("full")).unwrap();
            file.open = Some(Open {
                path: folder.path().join("full").into(),
                file: broken,
            });
            let path = folder.path().join("full").into();
            assert!(!file.write(&path, "1".to_owned()));
            fs::remove_file(at(&folder)).unwrap();
        }
        fs::create_dir(&path).unwrap();
        assert!(!file.write(&path, "2".to_owned()));
        fs::remove_dir(&path).unwrap();
        let made = std::process::Command::new("mkfifo").arg(&*path).status();
        assert!(made.unwrap().success());
        assert!(!file.write(&path, "3".to_owned()));
        fs::remove_file(&path).unwrap();
        assert!(file.is_failing);
        assert!(file.write(&path, "4".to_owned()));
        assert!(!file.is_failing);
        assert_eq!(fs::read_to_string(&path).unwrap(), "4\n");
    }
}
