//! What a reader of a section says about its values.

use super::Section;

impl Section<'_> {
    /// Says that `key` is absent and must not be. Nothing is said where the section is [switched
    /// off](Self::not_in_use).
    pub fn missing(&self, key: &str, message: &str) {
        if self.is_in_use {
            self.report
                .problem(&self.place, &self.path_of(key), message);
        }
    }

    /// Says what is wrong with the value of `key`, or with the section if there is none. `message` goes on after the
    /// key's path and never repeats a value: "must be below `window`".
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        match self.find(key) {
            Some(found) => self.report.problem(&found.node.place, &found.path, message),
            None => self
                .report
                .problem(&self.place, &self.path_of(key), message),
        }
    }

    /// Says what probably does not do what `key` was written for; the configuration can be used all the same. `message`
    /// never repeats a value.
    pub fn warn(&self, key: &str, message: &str) {
        let (place, path) = match self.find(key) {
            Some(found) => (&found.node.place, found.path),
            None => (&self.place, self.path_of(key)),
        };
        self.report.warn(format!("{place}: {path}: {message}"));
    }
}
