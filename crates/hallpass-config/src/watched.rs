//! Loading again when a file has changed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::configuration::Configuration;
use crate::loader::{Loaded, Loader};
use crate::problem::{Problem, Problems};
use crate::sources::Sources;
use crate::yaml_text::YamlText;

/// A [`Loader`] that remembers which files it has read, so that a process can load again when one has changed.
///
/// Watched are the YAML files, and the files that `*-file` keys name for a secret. Their contents are compared, not
/// their times: a mounted volume whose symbolic links are swapped counts as changed only when a content differs. A
/// file that cannot be read is watched too, so that its return is noticed. The environment and the flags of a process
/// do not change; what can be read once only, such as a pipe, is not watched, and one that takes the place of a file
/// does not count as a change; files of another kind, such as a JWK set, belong to the code that uses them.
///
/// A file that had settings when they were loaded last, and now says nothing, is a problem: a full disk leaves such a file behind, or a
/// writer that has just begun, and rules that are lost so must not count as rules that were taken away. Who means it writes
/// `hallpass: {}` (its prefix) into the file.
///
/// It starts no thread and no timer: ask [`has_changed`](Self::has_changed) every few seconds.
///
/// ```
/// # use hallpass_config::{Configuration, Key, Kind, Section};
/// # struct Settings { name: String }
/// # impl Configuration for Settings {
/// #     fn keys() -> Vec<Key> {
/// #         vec![Key::new("name", Kind::Text { what: "" }, "")]
/// #     }
/// #     fn read(root: &Section<'_>) -> Option<Self> {
/// #         Some(Self { name: root.name("name")? })
/// #     }
/// # }
/// use hallpass_config::{Loader, WatchedLoader};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("my-app.yaml");
/// std::fs::write(&path, "my-app: { name: before }")?;
/// let mut watched = WatchedLoader::new(Loader::new("my-app").file(&path));
/// assert_eq!(watched.load::<Settings>()?.settings().name, "before");
/// assert!(!watched.has_changed());
///
/// std::fs::write(&path, "my-app: { name: after }")?;
/// assert!(watched.has_changed());
/// assert_eq!(watched.load::<Settings>()?.settings().name, "after");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct WatchedLoader {
    loader: Loader,
    sources: Sources,
    /// The files that said something when they were last taken.
    spoke: BTreeSet<PathBuf>,
}

impl WatchedLoader {
    /// Watches the files of `loader` from the first [`load`](Self::load) on.
    #[must_use]
    pub fn new(loader: Loader) -> Self {
        Self {
            loader,
            sources: Sources::default(),
            spoke: BTreeSet::new(),
        }
    }

    /// [`Loader::load`]; from now on changes are seen from what this call has read, also when it failed.
    ///
    /// It blocks the thread while it reads.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub fn load<T: Configuration>(&mut self) -> Result<Loaded<T>, Problems> {
        self.load_with([])
    }

    /// As [`load`](Self::load), with further texts that go over the files and texts of the loader: what comes from elsewhere, such as a configuration server. Environment and flags go over
    /// them. They are not watched, and no later call knows of them.
    ///
    /// # Errors
    /// As [`Loader::load`], and when a file says nothing any more.
    pub fn load_with<T: Configuration>(
        &mut self,
        texts: impl IntoIterator<Item = YamlText>,
    ) -> Result<Loaded<T>, Problems> {
        let (loaded, sources) = self.loader.clone().texts(texts).load_with_sources();
        self.sources = sources;
        let loaded = loaded?;
        let silent: Vec<_> = self.sources.silent_of(&self.spoke).collect();
        if !silent.is_empty() {
            let problems = silent.into_iter().map(|path| says_nothing(path));
            return Err(Problems::new(problems.collect()));
        }
        self.spoke = self.sources.speaking();
        Ok(loaded)
    }

    /// Whether a file differs from what the last [`load`](Self::load) has read.
    ///
    /// It reads the files again and blocks the thread: in an async task use `spawn_blocking`.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        self.sources.have_changed()
    }

    /// The same loader, as if it had just loaded: what [has not changed](Self::has_changed) for it a moment later is
    /// complete, and nobody is writing it. Blocks the thread as well.
    #[must_use]
    pub fn refreshed(&self) -> Self {
        Self {
            loader: self.loader.clone(),
            sources: self.sources.refreshed(),
            spoke: self.spoke.clone(),
        }
    }
}

fn says_nothing(path: &Path) -> Problem {
    Problem {
        origin: path.display().to_string(),
        line: None,
        column: None,
        key_path: String::new(),
        message: "is empty, and had settings before: the disk may be full, or somebody has just begun to write it; to take them away, write \
                  `hallpass: {}` into it"
            .to_owned(),
        suggestion: None,
    }
}
