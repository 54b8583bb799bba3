//! What the configuration says to other programs.

use super::Section;
use crate::key_path;
use crate::placeholder::{self, References};

impl<'a> Section<'a> {
    /// The same section, which finds the properties that `references` finds.
    pub(crate) fn referring_to(mut self, references: &'a References<'a>) -> Self {
        self.references = Some(references);
        self
    }

    /// A key of the whole configuration that belongs to another program, such as `spring.application.name`: what the
    /// placeholder of that name is, so the environment (`SPRING_APPLICATION_NAME`) goes before files, and placeholders in it are
    /// filled in.
    ///
    /// `None` when nobody has given it, and when it cannot be filled in: what is not ours need not make sense to us.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<String> {
        let value = placeholder::value_of(name, self.references?)?.ok()?;
        let text = value.expose().trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// As [`property`](Self::property), of a key below this section that is not read here: of a section that belongs to
    /// [others](crate::Key::elsewhere), or of one that this program was built without. `None` also where nobody reads properties.
    #[must_use]
    pub fn property_below(&self, key: &str) -> Option<String> {
        let steps = key.split('.');
        let path = steps.fold(self.path.clone(), |path, step| key_path::join(&path, step));
        self.property(&path)
    }
}
