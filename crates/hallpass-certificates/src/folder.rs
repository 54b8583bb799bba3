//! The files, which change as a whole.
//!
//! Each generation is a folder of its own; `current` is a link to the one that counts, and is replaced in one step. The one before stays
//! until the next, for those who are on the way to its files. Whoever reads by
//! `current/NAME` may find the key of one and the certificate of the next in the moment between two reads: `hallpass-tls` notices that, and
//! looks again.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hallpass_tls::IssuedFiles;

use crate::error::CertificateError;

#[cfg(unix)]
mod for_owner;

const CURRENT: &str = "current";
/// When the certificate ends, in seconds since 1970.
const UNTIL: &str = "until";

/// The folder that holds them.
#[derive(Clone, Debug)]
pub(crate) struct Folder(PathBuf);

/// What one generation holds.
pub(crate) struct Generation<'a> {
    pub(crate) key: &'a str,
    pub(crate) certificate: &'a str,
    pub(crate) bundle: &'a str,
    pub(crate) until: u64,
}

impl Folder {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn files(&self) -> IssuedFiles {
        IssuedFiles::below(&self.0)
    }

    /// Until when the certificate counts that is there; `None` without one. Blocks the thread.
    pub(crate) fn until(&self) -> Option<u64> {
        let text = fs::read_to_string(self.0.join(CURRENT).join(UNTIL)).ok()?;
        text.trim().parse().ok()
    }

    /// The bundle that is there. Blocks the thread.
    pub(crate) fn bundle(&self) -> Option<String> {
        fs::read_to_string(self.files().ca_file).ok()
    }

    /// Puts a generation into the place of the one before, if `check` finds that it can be used. Blocks the thread.
    ///
    /// # Errors
    /// [`CertificateError::File`], and what `check` says; then the one before stays, and nothing of the new one is left.
    pub(crate) fn replace(
        &self,
        generation: &Generation<'_>,
        check: impl FnOnce(&IssuedFiles) -> Result<(), CertificateError>,
    ) -> Result<(), CertificateError> {
        self.create().map_err(at(&self.0))?;
        let (number, before) = self.next_number().map_err(at(&self.0))?;
        let last = fs::read_link(self.0.join(CURRENT)).ok();
        let name = format!("..{number}");
        let folder = self.0.join(&name);
        // Another process that writes here has none of ours.
        create_new_folder(&folder).map_err(at(&folder))?;
        let written = generation.write(&folder);
        let written = written.and_then(|()| check(&IssuedFiles::in_generation(&folder)));
        #[cfg(unix)]
        let written = written.inspect(|()| for_owner::give(&folder, &self.0));
        if let Err(error) = written.and_then(|()| self.point_to(&name)) {
            let _left_over = fs::remove_dir_all(&folder);
            return Err(error);
        }
        // The last one stays until the next: somebody may be on the way through its link.
        let is_last =
            |old: &Path| last.is_some() && old.file_name() == last.as_deref().map(Path::as_os_str);
        for old in before.into_iter().filter(|old| !is_last(old)) {
            // A folder that stays costs nothing but its place.
            let _gone = fs::remove_dir_all(old);
        }
        Ok(())
    }

    /// The same generation with another bundle. Blocks the thread.
    ///
    /// # Errors
    /// As [`replace`](Self::replace).
    pub(crate) fn replace_bundle(
        &self,
        bundle: &str,
        check: impl FnOnce(&IssuedFiles) -> Result<(), CertificateError>,
    ) -> Result<(), CertificateError> {
        let read = |path: &Path| {
            let read = fs::read_to_string(path).map(zeroize::Zeroizing::new);
            read.map_err(at(path))
        };
        let pair = self.files().key_pair;
        let key = read(&pair.private_key_file)?;
        let certificate = read(&pair.certificate_file)?;
        let generation = Generation {
            key: &key,
            certificate: &certificate,
            bundle,
            until: self.until().unwrap_or_default(),
        };
        self.replace(&generation, check)
    }

    /// It may be there. One that root makes is for the owner of the folder that it is in, as its content is.
    fn create(&self) -> io::Result<()> {
        let is_there = self.0.is_dir();
        create_folder(&self.0)?;
        #[cfg(unix)]
        if !is_there && let Some(parent) = self.0.parent() {
            let here = parent.as_os_str().is_empty();
            for_owner::give(&self.0, if here { Path::new(".") } else { parent });
        }
        #[cfg(not(unix))]
        let _ = is_there;
        Ok(())
    }

    /// From here on this one counts.
    fn point_to(&self, name: &str) -> Result<(), CertificateError> {
        let link = self.0.join("..next");
        let _left_over = fs::remove_file(&link);
        link_to(Path::new(name), &link).map_err(at(&link))?;
        let current = self.0.join(CURRENT);
        fs::rename(&link, &current).map_err(at(&current))?;
        // Before what it pointed to is gone. It counts from here on, whatever this says.
        let _synced = sync_folder(&self.0);
        Ok(())
    }

    /// The number of the next generation, and the folders of those before.
    fn next_number(&self) -> io::Result<(u64, Vec<PathBuf>)> {
        let mut last = 0;
        let mut before = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let number = name.to_str().and_then(|name| name.strip_prefix(".."));
            if let Some(number) = number.and_then(|number| number.parse::<u64>().ok()) {
                last = last.max(number);
                before.push(entry.path());
            }
        }
        Ok((last.saturating_add(1), before))
    }
}

impl Generation<'_> {
    fn write(&self, folder: &Path) -> Result<(), CertificateError> {
        let files = IssuedFiles::in_generation(folder);
        let until = self.until.to_string();
        for (file, content) in [
            (&files.key_pair.private_key_file, self.key),
            (&files.key_pair.certificate_file, self.certificate),
            (&files.ca_file, self.bundle),
            (&folder.join(UNTIL), until.as_str()),
        ] {
            write(file, content.as_bytes()).map_err(at(file))?;
        }
        Ok(())
    }
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> CertificateError {
    let path = path.to_owned();
    move |source| CertificateError::File { path, source }
}

/// Readable by its owner alone from the first moment on.
fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file: File = options().open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

fn create_folder(path: &Path) -> io::Result<()> {
    folders().recursive(true).create(path)
}

fn create_new_folder(path: &Path) -> io::Result<()> {
    folders().create(path)
}

fn folders() -> fs::DirBuilder {
    #[cfg_attr(not(unix), expect(unused_mut, reason = "there is no mode to set"))]
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

#[cfg(unix)]
fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

#[cfg(not(unix))]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn link_to(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(not(unix))]
fn link_to(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::Error::other(
        "this system has no links that are replaced in one step",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(text: &str) -> Generation<'_> {
        Generation {
            key: text,
            certificate: text,
            bundle: text,
            until: 7,
        }
    }

    const GOOD: fn(&IssuedFiles) -> Result<(), CertificateError> = |_| Ok(());

    fn key_of(folder: &Folder) -> String {
        fs::read_to_string(folder.files().key_pair.private_key_file).unwrap()
    }

    /// How many entries there are.
    fn entries(place: &tempfile::TempDir) -> usize {
        fs::read_dir(place.path().join("tls")).unwrap().count()
    }

    #[test]
    #[cfg(unix)]
    fn all_files_change_in_one_step_and_the_key_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("tls"));
        assert_eq!((folder.until(), folder.bundle()), (None, None));
        let files = folder.files();
        for text in ["one", "two", "three"] {
            folder.replace(&generation(text), GOOD).unwrap();
            for file in [
                &files.key_pair.private_key_file,
                &files.key_pair.certificate_file,
                &files.ca_file,
            ] {
                assert_eq!(fs::read_to_string(file).unwrap(), text);
                let mode = fs::metadata(file).unwrap().permissions().mode();
                assert_eq!(mode & 0o777, 0o600);
            }
        }
        assert_eq!(folder.until(), Some(7));
        folder.replace_bundle("another", GOOD).unwrap();
        assert_eq!(fs::read_to_string(&files.ca_file).unwrap(), "another");
        assert_eq!(key_of(&folder), "three");
        assert_eq!(folder.until(), Some(7));
        assert_eq!(entries(&place), 3, "it, the one before, and the link");
        let mode = fs::metadata(place.path().join("tls")).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    #[cfg(unix)]
    fn what_root_writes_is_for_the_owner_of_the_folder() {
        use std::os::unix::fs::{MetadataExt as _, chown, lchown, symlink};
        /// Nobody in particular.
        const USER: u32 = 64_001;
        if !rustix::process::geteuid().is_root() {
            eprintln!("SKIPPED: only root can give a file to somebody else");
            return;
        }
        let place = tempfile::tempdir().unwrap();
        chown(place.path(), Some(USER), Some(USER + 1)).unwrap();
        let folder = Folder::new(place.path().join("tls"));
        folder.replace(&generation("one"), GOOD).unwrap();
        folder.replace(&generation("two"), GOOD).unwrap();
        let whose = |path: &Path| {
            let found = fs::symlink_metadata(path).unwrap();
            (found.uid(), found.gid())
        };
        let files = folder.files();
        let current = fs::canonicalize(place.path().join("tls").join(CURRENT)).unwrap();
        for path in [
            &place.path().join("tls"),
            &current,
            &files.key_pair.private_key_file,
            &files.key_pair.certificate_file,
            &files.ca_file,
            &current.join(UNTIL),
        ] {
            assert_eq!(whose(path), (USER, USER + 1), "{}", path.display());
        }
        // Whoever may write the folder is given nothing elsewhere.
        let elsewhere = tempfile::tempdir().unwrap();
        let link = place.path().join("link");
        symlink(elsewhere.path(), &link).unwrap();
        lchown(&link, Some(USER), None).unwrap();
        for_owner::give(&link, place.path());
        assert_eq!(whose(elsewhere.path()).0, 0);
    }

    #[test]
    #[cfg(unix)]
    fn what_cannot_be_written_leaves_what_is_there_and_nothing_of_itself() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("tls"));
        folder.replace(&generation("one"), GOOD).unwrap();
        // The link cannot be made.
        let in_the_way = place.path().join("tls").join("..next");
        fs::create_dir(&in_the_way).unwrap();
        for _ in 0..3 {
            folder.replace(&generation("two"), GOOD).unwrap_err();
        }
        assert_eq!(key_of(&folder), "one");
        assert_eq!(
            entries(&place),
            3,
            "the generation, its link, and what is in the way"
        );
        fs::remove_dir(in_the_way).unwrap();
        folder.replace(&generation("two"), GOOD).unwrap();
        assert_eq!((key_of(&folder), entries(&place)), ("two".to_owned(), 3));
    }

    #[test]
    #[cfg(unix)]
    fn what_cannot_be_used_replaces_nothing() {
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("tls"));
        folder.replace(&generation("one"), GOOD).unwrap();
        let seen = std::cell::Cell::new(None);
        let refused = folder.replace(&generation("two"), |files| {
            seen.set(fs::read_to_string(&files.key_pair.private_key_file).ok());
            let problem = "a test";
            Err(CertificateError::Unusable { problem })
        });
        assert!(matches!(refused, Err(CertificateError::Unusable { .. })));
        assert_eq!(seen.take().as_deref(), Some("two"), "it was looked at");
        assert_eq!((key_of(&folder), entries(&place)), ("one".to_owned(), 2));
    }
}
