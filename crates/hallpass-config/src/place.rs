//! Where a value stands.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Something that values come from.
#[derive(Debug)]
pub(crate) struct Source {
    /// A file name, `environment NAME` or `flag`.
    name: String,
    /// Sources of a higher rank win over those of a lower one.
    rank: usize,
    /// Relative file names in values are relative to this.
    folder: PathBuf,
    /// Whether `${NAME}` means anything in its values.
    has_placeholders: bool,
}

impl Source {
    /// A YAML file or text.
    pub(crate) fn yaml(name: String, rank: usize, folder: PathBuf) -> Arc<Self> {
        Arc::new(Self {
            name,
            rank,
            folder,
            has_placeholders: true,
        })
    }

    /// One environment variable or the flags: their values are taken literally.
    pub(crate) fn literal(name: String, rank: usize) -> Arc<Self> {
        Arc::new(Self {
            name,
            rank,
            folder: PathBuf::new(),
            has_placeholders: false,
        })
    }
}

/// A place in a source.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    source: Arc<Source>,
    position: Option<Position>,
    /// The path of the key under which the value stands there, where it is read under another one.
    written_as: Option<Arc<str>>,
}

/// Line and column, both from 1; the column counts characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Place {
    /// The source as a whole.
    pub(crate) fn whole(source: &Arc<Source>) -> Self {
        Self {
            source: Arc::clone(source),
            position: None,
            written_as: None,
        }
    }

    /// One position of it.
    pub(crate) fn at(source: &Arc<Source>, position: Position) -> Self {
        Self {
            source: Arc::clone(source),
            position: Some(position),
            written_as: None,
        }
    }

    /// The same place, of a value that is read under a key of ours and stands under `path`.
    pub(crate) fn written_as(&self, path: &str) -> Self {
        Self {
            written_as: Some(Arc::from(path)),
            ..self.clone()
        }
    }

    /// The path under which the value stands, where that is another one than it is read under.
    pub(crate) fn foreign_path(&self) -> Option<&str> {
        self.written_as.as_deref()
    }

    pub(crate) fn source_name(&self) -> &str {
        &self.source.name
    }

    pub(crate) fn rank(&self) -> usize {
        self.source.rank
    }

    pub(crate) fn position(&self) -> Option<Position> {
        self.position
    }

    pub(crate) fn has_placeholders(&self) -> bool {
        self.source.has_placeholders
    }

    /// `path` as seen from the folder of the source.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.source.folder.join(path)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source.name)?;
        match self.position {
            Some(Position { line, .. }) => write!(f, ":{line}"),
            None => Ok(()),
        }
    }
}
