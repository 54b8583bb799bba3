//! Names as Spring compares them: `client-id`, `clientId`, `client_id` and `CLIENT_ID` are one.

use crate::key_path::Segment;
use crate::node::{Node, Value};

/// The letters of a name that count.
pub(crate) fn letters(name: &str) -> String {
    let letters = name.chars().filter(|c| !matches!(c, '-' | '_' | '.'));
    letters.flat_map(char::to_lowercase).collect()
}

/// What stands at `path`, whatever the spelling of its keys.
pub(crate) fn find<'n>(node: &'n Node, path: &[Segment]) -> Option<&'n Node> {
    path.iter()
        .try_fold(node, |node, segment| match (&node.value, segment) {
            (Value::Map(entries), Segment::Key(key)) => {
                let exact = entries.iter().find(|entry| entry.key == *key);
                let entry = exact.or_else(|| {
                    let wanted = letters(key);
                    entries.iter().find(|entry| letters(&entry.key) == wanted)
                })?;
                Some(&entry.node)
            }
            (Value::List(items), Segment::Index(index)) => items.get(*index),
            _ => None,
        })
}
