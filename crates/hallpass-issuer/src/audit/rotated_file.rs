//! A file of lines that begins anew when it is long: `audit.jsonl`, before it `audit.jsonl.1`, and so on.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// The file that is written now, and those before it. Its methods block.
#[derive(Debug)]
pub(super) struct RotatedFile {
    path: PathBuf,
    /// Length beyond which it begins anew; 0: never by itself.
    max_bytes: u64,
    /// How many are kept of those before it.
    keep: u32,
    open: Option<File>,
}

impl RotatedFile {
    pub(super) const fn new(path: PathBuf, max_bytes: u64, keep: u32) -> Self {
        Self {
            path,
            max_bytes,
            keep,
            open: None,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Adds whole lines at the end.
    ///
    /// # Errors
    /// Why not all of it was written, and how many bytes were.
    pub(super) fn write(&mut self, lines: &[u8]) -> Result<(), (io::Error, usize)> {
        let mut written = 0;
        let result = self.try_write(lines, &mut written);
        result.map_err(|error| {
            // Opened anew with the next lines: what stands in the way may be that it was taken away.
            self.open = None;
            (error, written)
        })
    }

    fn try_write(&mut self, lines: &[u8], written: &mut usize) -> io::Result<()> {
        let length = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        let mut file = match self.open.take() {
            Some(file) if is_in_place(&file, &self.path) => file,
            _ => open(&self.path)?,
        };
        if self.max_bytes > 0 {
            let before = file.metadata()?.len();
            if before > 0 && before.saturating_add(length) > self.max_bytes {
                drop(file);
                self.rotate()?;
                file = open(&self.path)?;
            }
        }
        while let Some(rest) = lines.get(*written..).filter(|rest| !rest.is_empty()) {
            match file.write(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => *written = written.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.open = Some(file);
        Ok(())
    }

    /// Gives each file the next number; the last one goes.
    fn rotate(&self) -> io::Result<()> {
        for number in (1..self.keep).rev() {
            rename_if_there(&self.numbered(number), &self.numbered(number + 1))?;
        }
        match self.keep {
            0 => fs::remove_file(&self.path),
            _ => fs::rename(&self.path, self.numbered(1)),
        }
    }

    fn numbered(&self, number: u32) -> PathBuf {
        numbered(&self.path, number)
    }
}

fn numbered(path: &Path, number: u32) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{number}"));
    name.into()
}

fn rename_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The last lines of the file at `path`, and of the one before it, `most` bytes at most: whole lines, the oldest first. What cannot be read is left out.
pub(super) fn last_lines(path: &Path, most: u64) -> Vec<u8> {
    let newest = tail(path, most).unwrap_or_default();
    let left = most.saturating_sub(u64::try_from(newest.len()).unwrap_or(u64::MAX));
    let mut lines = match left {
        0 => Vec::new(),
        left => tail(&numbered(path, 1), left).unwrap_or_default(),
    };
    lines.extend_from_slice(&newest);
    lines
}

fn tail(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    refuse_what_is_no_file(path)?;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let begin = length.saturating_sub(most);
    file.seek(SeekFrom::Start(begin))?;
    let mut text = Vec::new();
    file.take(most).read_to_end(&mut text)?;
    if begin > 0 {
        let first = text.iter().position(|byte| *byte == b'\n');
        text.drain(..first.map_or(text.len(), |place| place + 1));
    }
    // The last one may have been cut off.
    let end = text.iter().rposition(|byte| *byte == b'\n');
    text.truncate(end.map_or(0, |place| place + 1));
    Ok(text)
}

fn open(path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    if let Some(file) = crate::for_owner::create(path)? {
        return Ok(file);
    }
    refuse_what_is_no_file(path)?;
    let mut options = OpenOptions::new();
    options.create(true).append(true).read(true);
    // It names people and addresses.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    if ends_within_a_line(&mut file)? {
        file.write_all(b"\n")?;
    }
    Ok(file)
}

/// Whoever opens a pipe waits for its other end, without an end.
fn refuse_what_is_no_file(path: &Path) -> io::Result<()> {
    match path.metadata() {
        Ok(found) if !found.is_file() => Err(io::Error::other("it is not a file")),
        _ => Ok(()),
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
    Ok(last != *b"\n")
}

/// Whether `file` still is what stands at `path`: others rotate logs too.
#[cfg(unix)]
fn is_in_place(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let (Ok(open), Ok(there)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    (open.dev(), open.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_in_place(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn path(&self) -> PathBuf {
            self.0.path().join("audit.jsonl")
        }

        fn text(&self, name: &str) -> String {
            fs::read_to_string(self.0.path().join(name)).unwrap_or_default()
        }

        fn names(&self) -> Vec<String> {
            let all = fs::read_dir(self.0.path()).unwrap();
            let names = all.map(|it| it.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        }
    }

    fn written(file: &mut RotatedFile, lines: &str) -> bool {
        file.write(lines.as_bytes()).is_ok()
    }

    #[test]
    fn it_begins_anew_before_it_is_too_long_and_keeps_so_many_before_it() {
        let folder = Folder::new();
        let mut file = RotatedFile::new(folder.path(), 4, 2);
        for number in 1..8 {
            assert!(written(&mut file, &format!("{number}\n")));
        }
        assert_eq!(
            folder.names(),
            ["audit.jsonl", "audit.jsonl.1", "audit.jsonl.2"]
        );
        let kept = ["audit.jsonl.2", "audit.jsonl.1", "audit.jsonl"].map(|it| folder.text(it));
        assert_eq!(kept, ["3\n4\n", "5\n6\n", "7\n"]);
        // Longer than a file may be: in one that has nothing else.
        assert!(written(&mut file, "longer\n"));
        assert_eq!(folder.text("audit.jsonl"), "longer\n");
        let mode = folder.path().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_restart_goes_on_where_it_ended_and_half_a_line_does_not_run_into_the_next() {
        let folder = Folder::new();
        fs::write(folder.path(), "{\"half").unwrap();
        assert!(written(&mut RotatedFile::new(folder.path(), 10, 2), "{}\n"));
        assert_eq!(folder.text("audit.jsonl"), "{\"half\n{}\n");
        let mut again = RotatedFile::new(folder.path(), 13, 2);
        assert!(written(&mut again, "{}\n"));
        assert_eq!(folder.text("audit.jsonl.1"), "");
        assert!(written(&mut again, "{}\n"));
        assert_eq!(folder.text("audit.jsonl"), "{}\n");
    }

    #[test]
    fn what_others_rotate_is_made_anew_and_without_a_length_it_never_does_that_itself() {
        let folder = Folder::new();
        let mut file = RotatedFile::new(folder.path(), 0, 2);
        for _ in 0..100 {
            assert!(written(&mut file, "a line\n"));
        }
        assert_eq!(folder.names(), ["audit.jsonl"]);
        fs::rename(folder.path(), folder.0.path().join("moved")).unwrap();
        assert!(written(&mut file, "1\n"));
        fs::remove_file(folder.path()).unwrap();
        assert!(written(&mut file, "2\n"));
        // As `copytruncate` does.
        File::options()
            .write(true)
            .truncate(true)
            .open(folder.path())
            .unwrap();
        assert!(written(&mut file, "3\n"));
        assert_eq!(folder.text("audit.jsonl"), "3\n");
        assert_eq!(folder.text("moved").lines().count(), 100);
    }

    #[test]
    fn what_cannot_be_written_is_told_and_the_next_is_tried_again() {
        let folder = Folder::new();
        let mut file = RotatedFile::new(folder.path(), 0, 1);
        fs::create_dir(folder.path()).unwrap();
        assert!(!written(&mut file, "1\n"));
        fs::remove_dir(folder.path()).unwrap();
        let made = std::process::Command::new("mkfifo")
            .arg(folder.path())
            .status();
        assert!(made.unwrap().success());
        assert!(!written(&mut file, "2\n"), "and nobody waits for a reader");
        fs::remove_file(folder.path()).unwrap();
        if Path::new("/dev/full").exists() {
            let open = OpenOptions::new().append(true).open("/dev/full").unwrap();
            symlink("/dev/full", folder.path()).unwrap();
            file.open = Some(open);
            let (error, count) = file.write(b"3\n").unwrap_err();
            assert_eq!((error.kind(), count), (io::ErrorKind::StorageFull, 0));
            fs::remove_file(folder.path()).unwrap();
        }
        assert!(written(&mut file, "4\n"));
        assert_eq!(folder.text("audit.jsonl"), "4\n");
    }

    #[test]
    fn the_last_lines_are_whole_and_come_from_the_file_before_too() {
        let folder = Folder::new();
        assert_eq!(last_lines(&folder.path(), 100), b"");
        let mut file = RotatedFile::new(folder.path(), 6, 3);
        for line in ["11\n", "22\n", "33\n", "44\n", "55\n"] {
            assert!(written(&mut file, line));
        }
        let last = |most| String::from_utf8(last_lines(&folder.path(), most)).unwrap();
        assert_eq!(last(100), "33\n44\n55\n");
        assert_eq!(last(7), "44\n55\n");
        assert_eq!(last(3), "55\n");
        assert_eq!(last(2), "");
        fs::write(folder.path(), "66\n7").unwrap();
        assert_eq!(last(100), "33\n44\n66\n");
    }

    #[test]
    fn what_root_makes_is_its_folders_owners_and_what_is_there_stays_whose_it_is() {
        use std::os::unix::fs::{MetadataExt as _, chown};
        /// Nobody in particular.
        const USER: u32 = 64_001;
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a file to somebody else");
            return;
        }
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
