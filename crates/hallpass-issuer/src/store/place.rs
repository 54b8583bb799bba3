//! Where a store is, and what seals it.

use std::path::Path;

use crate::settings::database::DatabaseSettings;

/// Where a store is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    /// An embedded one, in this file.
    Sqlite(&'a Path),
    /// One in this PostgreSQL.
    Postgres(&'a DatabaseSettings),
}

/// What seals a store, and what may have sealed it before.
#[derive(Clone, Copy)]
pub(crate) struct SealingKeys<'a> {
    /// `None`: the file beside the store.
    pub(crate) current: Option<&'a str>,
    pub(crate) previous: Option<&'a str>,
}

impl Place<'_> {
    /// How errors call it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Sqlite(path) => path.display().to_string(),
            Self::Postgres(settings) => settings.shown(),
        }
    }
}

impl<'a> From<Option<&'a str>> for SealingKeys<'a> {
    fn from(current: Option<&'a str>) -> Self {
        Self {
            current,
            previous: None,
        }
    }
}

#[cfg(test)]
impl<'a> From<&'a std::path::PathBuf> for Place<'a> {
    fn from(path: &'a std::path::PathBuf) -> Self {
        Self::Sqlite(path)
    }
}

#[cfg(test)]
impl<'a> From<&'a Path> for Place<'a> {
    fn from(path: &'a Path) -> Self {
        Self::Sqlite(path)
    }
}
