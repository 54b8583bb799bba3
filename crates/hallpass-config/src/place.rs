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
        }
    }

    /// One position of it.
    pub(crate) fn at(source: &Arc<Source>, position: Position) -> Self {
        Self {
            source: Arc::clone(source),
            position: Some(position),
        }
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
