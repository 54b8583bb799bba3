//! Why a text is not changed.

use crate::yaml_text::MAX_SOURCE_BYTES;

/// Why a text is not changed, or a value of it not found. It goes on after the name of the text, and repeats nothing of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// It cannot be read.
    #[error("is not valid YAML")]
    NotYaml,
    /// It is larger than a source may be.
    #[error("is larger than {MAX_SOURCE_BYTES} bytes")]
    TooLarge,
    /// The root of the path is in none of its documents.
    #[error("has nothing below the root")]
    NoRoot,
    /// Several places say it.
    #[error("says it in more than one place")]
    Several,
    /// A mapping, a list or an alias stands where one value is expected, or one value where a mapping is.
    #[error("has something else in that place")]
    NotAValue,
    /// What was written would say something else too: an anchor that others refer to, for instance.
    #[error("cannot be changed in this place alone")]
    NotInPlace,
}
