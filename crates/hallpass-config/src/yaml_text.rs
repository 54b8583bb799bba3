//! Texts that are part of a configuration and no files.

use crate::secret::Secret;

/// A text in YAML, which JSON is too, that is part of a configuration and no file: a document of a configuration server, say.
#[derive(Clone, Debug)]
pub struct YamlText {
    pub(crate) name: String,
    pub(crate) text: Secret,
    pub(crate) below: Vec<String>,
}

impl YamlText {
    /// A text; `name` stands for it in problems and origins.
    #[must_use]
    pub fn new(name: impl Into<String>, text: Secret) -> Self {
        Self {
            name: name.into(),
            text,
            below: Vec::new(),
        }
    }

    /// The same, whose whole content is one value: that of the key at `path`, whose names are taken as they are. It can say nothing about any
    /// other key, whatever it holds.
    #[must_use]
    pub fn below(mut self, path: &[&str]) -> Self {
        self.below = path.iter().map(|&name| name.to_owned()).collect();
        self
    }
}
