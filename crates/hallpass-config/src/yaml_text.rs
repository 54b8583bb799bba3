//! Texts that are part of a configuration and no files.

use crate::node::Value;
use crate::place::Source;
use crate::secret::Secret;
use crate::yaml;

/// Largest YAML source, in bytes.
pub const MAX_SOURCE_BYTES: usize = 1024 * 1024;

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
    /// other key, whatever it holds, and placeholders in it mean nothing.
    #[must_use]
    pub fn below(mut self, path: &[&str]) -> Self {
        self.below = path.iter().map(|&name| name.to_owned()).collect();
        self
    }

    /// Whether it can be read and holds one list and nothing else, which it must where a list is the value of a key. An empty text is none, nor
    /// is one of more than [`MAX_SOURCE_BYTES`], which no loader takes.
    #[must_use]
    pub fn is_list(&self) -> bool {
        if self.text.expose().len() > MAX_SOURCE_BYTES {
            return false;
        }
        let source = Source::literal(self.name.clone(), 0);
        let roots = yaml::parse(&source, self.text.expose());
        let Ok([root]) = roots.as_deref() else {
            return false;
        };
        matches!(root.value, Value::List(_))
    }
}
