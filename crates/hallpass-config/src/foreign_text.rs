//! Files of other programs that their configuration names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::foreign::Foreign;
use crate::node::Node;
use crate::place::Source;
use crate::trial::Trial;
use crate::yaml_text::MAX_SOURCE_BYTES;
use crate::{files, yaml};

/// A file in JSON or YAML that a key names, read: one value.
///
/// It is a source of the configuration like others, so that its change is [seen](crate::WatchedLoader::has_changed).
#[derive(Clone, Debug)]
pub struct ForeignText {
    root: Node,
}

impl ForeignText {
    /// Reads the file of at most [`MAX_SOURCE_BYTES`] that `found` names, seen from the folder of the file which names it; `file:` may stand
    /// before it, as in Spring. What cannot be read is a problem, and `None`.
    #[must_use]
    pub fn named_by(found: &Foreign<'_>) -> Option<Self> {
        Self::read(found, found, |name, rank, folder| {
            Source::yaml(name, rank, folder)
        })
    }

    /// The same, of a file that somebody else writes: placeholders in it mean nothing, and what is wrong is said in `trial` alone. The file
    /// is a source of the configuration all the same.
    #[must_use]
    pub fn tried(found: &Foreign<'_>, trial: &Trial) -> Option<Self> {
        Self::read(found, &found.within(trial), |name, rank, _| {
            Source::literal(name, rank)
        })
    }

    /// Reads by the one, and says what is wrong by the other.
    fn read(
        reader: &Foreign<'_>,
        found: &Foreign<'_>,
        source: impl Fn(String, usize, PathBuf) -> Arc<Source>,
    ) -> Option<Self> {
        let name = found.text()?;
        if name.starts_with("classpath:") {
            found.problem("begins with `classpath:`: write the name of a file");
            return None;
        }
        let name = name.strip_prefix("file:").unwrap_or(&name);
        let path = found.place().resolve(Path::new(name));
        let text = reader.report().read_source(&path, MAX_SOURCE_BYTES);
        let text = text.and_then(|bytes| files::text_of(&bytes));
        let text = text
            .map_err(|error| found.problem(error.to_string()))
            .ok()?;
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let source = source(path.display().to_string(), found.place().rank(), folder);
        match yaml::parse(&source, &text) {
            Ok(nodes) => {
                let mut nodes = nodes.into_iter();
                let root = nodes.next();
                if nodes.next().is_some() {
                    found.problem(
                        "names a file with several YAML documents, where one value is expected",
                    );
                    return None;
                }
                root.map(|root| Self { root })
            }
            Err((place, message)) => {
                found.report().problem(&place, "", message);
                None
            }
        }
    }

    /// What stands in it.
    #[must_use]
    pub fn value<'b>(&'b self, named_by: &Foreign<'b>) -> Foreign<'b> {
        named_by.holding(&self.root)
    }
}
