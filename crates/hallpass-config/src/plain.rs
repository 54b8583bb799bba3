//! A YAML text without what is written for people alone.

use std::fmt::Write as _;

use crate::node::{Node, Value};
use crate::place::Source;
use crate::yaml;
use crate::yaml_text::MAX_SOURCE_BYTES;

/// The one document of `text` as YAML of one line that says the same: without comments, and with aliases written out. For who keeps
/// such a text, and would keep what somebody noted beside it too.
///
/// `None` when it is no YAML, larger than [`MAX_SOURCE_BYTES`], not one document, or has a tag of another program.
///
/// ```
/// let plain = hallpass_config::without_comments("a: 1 # it was hunter2\nb: [~, x]");
/// assert_eq!(plain.as_deref(), Some(r#"{"a": "1", "b": [null, "x"]}"#));
/// ```
#[must_use]
pub fn without_comments(text: &str) -> Option<String> {
    if text.len() > MAX_SOURCE_BYTES {
        return None;
    }
    let documents = yaml::parse(&Source::literal(String::new(), 0), text).ok()?;
    let [document] = documents.as_slice() else {
        return None;
    };
    let mut plain = String::with_capacity(text.len());
    write(document, &mut plain)?;
    Some(plain)
}

/// `node` as such YAML, which is JSON too.
pub(crate) fn text_of(node: &Node) -> Option<String> {
    let mut plain = String::new();
    write(node, &mut plain)?;
    Some(plain)
}

/// Readers take every value as the text that was written, so each is written as one.
fn write(node: &Node, out: &mut String) -> Option<()> {
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Scalar(text) => quote(text.expose(), out),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write(item, out)?;
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, entry) in entries.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                quote(&entry.key, out);
                out.push_str(": ");
                write(&entry.node, out)?;
            }
            out.push('}');
        }
        Value::Element(..) | Value::Tagged | Value::Broken => return None,
    }
    Some(())
}

/// Between quotation marks; what a line cannot show is escaped (YAML 1.2, section 5.7).
pub(crate) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        let is_shown = !character.is_control()
            && !matches!(
                character,
                '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
            );
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            _ if is_shown => out.push(character),
            _ => {
                // To a text nothing fails to be written.
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_people_is_left_out_and_all_else_says_the_same() {
        let text = "# hunter1\na: &x [1, 'two', null, 'null'] # hunter2\nb: {c: *x, <<: {d: \"\\u0085\\n\\\"\\\\é\"}}\ne: |\n  # no comment\n";
        let plain = without_comments(text).unwrap();
        assert!(
            !plain.contains("hunter") && !plain.contains('\n'),
            "{plain}"
        );
        let again = without_comments(&plain).unwrap();
        assert_eq!(again, plain, "nothing is lost or added by reading it again");
        let expected = r##"{"a": ["1", "two", null, "null"], "b": {"c": ["1", "two", null, "null"], "d": "\u0085\u000a\"\\é"}, "e": "# no comment\u000a"}"##;
        assert_eq!(plain, expected);
    }

    #[test]
    fn what_is_not_one_document_or_cannot_be_said_again_is_none() {
        for other in ["", "a: 1\n---\nb: 2\n", "a: [", "a: !secret x", "a: *x"] {
            assert_eq!(without_comments(other), None, "{other}");
        }
    }
}
