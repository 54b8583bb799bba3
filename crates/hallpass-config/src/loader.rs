//! From sources to settings.

use std::path::PathBuf;

use crate::problem::Problems;
use crate::settings::Settings;

/// Gathers the sources of a configuration and loads it.
///
/// Later files and texts win over earlier ones, key by key; the environment wins over all of them, and flags over
/// the environment.
#[derive(Clone, Debug)]
#[must_use]
pub struct Loader {
    prefix: String,
}

impl Loader {
    /// A loader for the keys below `prefix`, such as `hallpass` or `scccy`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    /// Adds a YAML file. Files that it names are relative to its folder.
    pub fn file(self, _path: impl Into<PathBuf>) -> Self {
        self
    }

    /// Adds YAML text; `origin` names it in problems. Files that it names are relative to the current folder.
    pub fn text(self, _origin: impl Into<String>, _text: impl Into<String>) -> Self {
        self
    }

    /// Adds environment variables: as overrides of keys, and for `${NAME}` in values.
    pub fn environment<I, N, V>(self, _variables: I) -> Self
    where
        I: IntoIterator<Item = (N, V)>,
        N: Into<String>,
        V: Into<String>,
    {
        self
    }

    /// Adds the environment of this process.
    pub fn process_environment(self) -> Self {
        self
    }

    /// Sets one key, given without the prefix: `internal-token.scope`.
    pub fn flag(self, _key: impl Into<String>, _value: impl Into<String>) -> Self {
        self
    }

    /// Reads, merges and checks everything.
    ///
    /// # Errors
    /// All problems of all sources at once.
    pub fn load(self) -> Result<Loaded, Problems> {
        Ok(Loaded {
            settings: Settings::default(),
        })
    }
}

/// Checked settings, and where each value came from.
#[derive(Clone, Debug)]
pub struct Loaded {
    settings: Settings,
}

impl Loaded {
    /// The settings.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings, to keep.
    #[must_use]
    pub fn into_settings(self) -> Settings {
        self.settings
    }

    /// The effective configuration as a tree, each value with its origin, secrets as `***`.
    #[must_use]
    pub fn effective(&self) -> String {
        String::new()
    }
}
