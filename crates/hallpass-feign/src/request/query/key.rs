//! The keys of a map, as parameter names.

use percent_encoding::percent_decode_str;
use serde::Serialize;

use super::{Depth, NotPlain, Place};

/// The text of a key: whatever is one plain value.
pub(super) fn text(key: &(impl ?Sized + Serialize)) -> Result<String, NotPlain> {
    // A key is written like a value, under no name, and read back: one rule for what is plain.
    let mut written = String::new();
    key.serialize(Place {
        query: &mut written,
        name: "",
        depth: Depth::Element,
    })?;
    let encoded = written.strip_prefix("?=").ok_or(NotPlain)?;
    let text = percent_decode_str(encoded)
        .decode_utf8()
        .map_err(|_| NotPlain)?;
    Ok(text.into_owned())
}
