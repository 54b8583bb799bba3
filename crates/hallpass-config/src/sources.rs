//! The files that a configuration was read from, and whether one of them has changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::files::{self, FileError};

/// Every file that was read or should have been, with a digest of its content.
#[derive(Clone, Default)]
pub(crate) struct Sources {
    /// Random for each value: a digest says nothing about a secret to anybody who sees the memory of another process.
    hasher: RandomState,
    files: BTreeMap<PathBuf, Found>,
}

#[derive(Clone, PartialEq, Eq)]
struct Found {
    max_bytes: usize,
    digest: Result<u64, FileError>,
    /// Whether more than comments stands in it.
    says_something: bool,
}

impl Sources {
    /// Reads a whole file of at most `max_bytes`, and remembers what was in it or why it cannot be read.
    pub(crate) fn read(
        &mut self,
        path: &Path,
        max_bytes: usize,
    ) -> Result<Zeroizing<Vec<u8>>, FileError> {
        let content = files::read(path, max_bytes);
        if !can_be_read_again(path) {
            return content;
        }
        let digest = self.digest(&content);
        let says_something = content.as_ref().is_ok_and(|it| says_something(it));
        // Of two readings the first counts: when the file changed between them, the next look finds it changed.
        let found = self.files.entry(path.to_owned());
        found.or_insert(Found {
            max_bytes,
            digest,
            says_something,
        });
        content
    }

    /// Reads all files again and compares.
    pub(crate) fn have_changed(&self) -> bool {
        self.files.iter().any(|(path, found)| {
            let now = self.look(path, found.max_bytes);
            now.is_some_and(|digest| digest != found.digest)
        })
    }

    /// The same files with what they hold now.
    pub(crate) fn refreshed(&self) -> Self {
        let read = |(path, found): (&PathBuf, &Found)| {
            let max_bytes = found.max_bytes;
            let digest = self.look(path, max_bytes).unwrap_or(found.digest);
            let found = Found {
                digest,
                ..found.clone()
            };
            (path.clone(), found)
        };
        Self {
            hasher: self.hasher.clone(),
            files: self.files.iter().map(read).collect(),
        }
    }

    /// Those that say something.
    pub(crate) fn speaking(&self) -> BTreeSet<PathBuf> {
        let speaking = self.files.iter().filter(|(_, it)| it.says_something);
        speaking.map(|(path, _)| path.clone()).collect()
    }

    /// Those among `before` that could be read, and say nothing.
    pub(crate) fn silent_of<'b>(
        &self,
        before: &'b BTreeSet<PathBuf>,
    ) -> impl Iterator<Item = &'b PathBuf> {
        before.iter().filter(|path| {
            let found = self.files.get(*path);
            found.is_some_and(|it| it.digest.is_ok() && !it.says_something)
        })
    }

    /// What a file holds now; `None` when that cannot be found out.
    fn look(&self, path: &Path, max_bytes: usize) -> Option<Result<u64, FileError>> {
        can_be_read_again(path).then(|| self.digest(&files::read(path, max_bytes)))
    }

    fn digest(&self, content: &Result<Zeroizing<Vec<u8>>, FileError>) -> Result<u64, FileError> {
        let content = content.as_ref().map_err(|error| *error)?;
        Ok(self.hasher.hash_one(content.as_slice()))
    }
}

/// Whether there is a line of YAML that is neither empty, nor a comment, nor the mark of a document.
fn says_something(content: &[u8]) -> bool {
    let mut lines = content.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.any(|line| !matches!(line, [] | [b'#', ..] | b"---" | b"..."))
}

/// A pipe can be read once only: another look would find it empty, or wait for a writer without an end. What is not
/// there may still appear, and a folder may give way to a file.
fn can_be_read_again(path: &Path) -> bool {
    let found = path.metadata();
    found.map_or(true, |found| found.is_file() || found.is_dir())
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.files.keys()).finish()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_read_once_only_is_not_watched() {
        let mut sources = Sources::default();
        sources.read(Path::new("/dev/null"), 16).unwrap();
        assert!(sources.files.is_empty());
    }
}
