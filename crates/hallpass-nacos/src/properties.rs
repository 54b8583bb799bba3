//! A `.properties` document as YAML: each of its lines becomes one line, so that problems name the right one. And single values of
//! it, changed in their places.

use std::fmt::Write as _;

use hallpass_config::{EditError, Secret, written_value};

/// A `.properties` text in YAML, line by line. Keys keep their dots, which the loader takes apart.
///
/// Escapes as Java has them (`\t`, `\n`, `\r`, `\uXXXX`, any other character for itself) and lines that go on after a
/// backslash at their end are understood.
#[must_use]
pub fn properties_as_yaml(text: &str) -> String {
    let mut yaml = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let mut whole = line.trim_start().to_owned();
        let mut taken = 0;
        let is_comment = whole.starts_with(['#', '!']);
        while !is_comment && goes_on(&whole) {
            whole.pop();
            match lines.next() {
                Some(next) => whole.push_str(next.trim_start()),
                None => break,
            }
            taken += 1;
        }
        if !is_comment && !whole.is_empty() {
            let (key, value) = split(&whole);
            // A string of JSON is a quoted scalar of YAML.
            let quoted = |text: &str| serde_json::Value::from(unescape(text)).to_string();
            let _written = write!(yaml, "{}: {}", quoted(key), quoted(value));
        }
        for _line in 0..=taken {
            yaml.push('\n');
        }
    }
    yaml
}

/// As [`hallpass_config::with_values`], for a `.properties` text and values without characters that need an escape. A key that is not there
/// yet is written below the one before it in `values`, in its way, or at the end.
///
/// ```
/// let text = "# ours\nhallpass.security.internal-jwt.mode = report\nx=1\n";
/// let mode = [("hallpass.security.internal-jwt.mode", "enforce")];
/// let changed = hallpass_nacos::properties_with_values(text, &mode)?;
/// assert_eq!(changed.expose(), "# ours\nhallpass.security.internal-jwt.mode = enforce\nx=1\n");
/// # Ok::<(), hallpass_config::EditError>(())
/// ```
///
/// # Errors
/// As [`hallpass_config::with_values`].
pub fn properties_with_values(text: &str, values: &[(&str, &str)]) -> Result<Secret, EditError> {
    let mut changed = Secret::new(text);
    let mut before: Option<&str> = None;
    for (path, value) in values {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if value.is_empty() || !value.chars().all(is_plain) {
            return Err(EditError::NotAValue);
        }
        let next = with_value(changed.expose(), path, value, before)?;
        let there = written_value(&properties_as_yaml(&next), path)?;
        let is_there = there
            .and_then(|it| it.text)
            .is_some_and(|it| it.expose() == *value);
        if !is_there {
            return Err(EditError::NotInPlace);
        }
        changed = Secret::new(next);
        before = Some(path);
    }
    Ok(changed)
}

fn with_value(
    text: &str,
    path: &str,
    value: &str,
    before: Option<&str>,
) -> Result<String, EditError> {
    let yaml = properties_as_yaml(text);
    let line_of = |path: &str| written_value(&yaml, path).map(|it| it.map(|it| it.line));
    let end_of_line = if text.contains("\r\n") { "\r\n" } else { "\n" };
    if let Some(line) = line_of(path)? {
        let (head, whole, rest) = around(text, line);
        let (start, end) = (
            whole.len() - after_key(whole).len(),
            whole.trim_end_matches(['\r', '\n']).len(),
        );
        let (key, line_end) = (whole.get(..start), whole.get(end..));
        let (Some(key), Some(line_end)) = (key, line_end) else {
            return Err(EditError::NotInPlace);
        };
        return Ok([head, key, value, line_end, rest].concat());
    }
    let neighbour = before.map(line_of).transpose()?.flatten();
    let Some(line) = neighbour else {
        let gap = if text.is_empty() || text.ends_with('\n') {
            ""
        } else {
            end_of_line
        };
        return Ok(format!("{text}{gap}{path}={value}{end_of_line}"));
    };
    let (head, whole, rest) = around(text, line);
    let key = whole
        .get(..whole.len() - after_key(whole).len())
        .unwrap_or(whole);
    // As the neighbour is written, up to its last name.
    let (name, equals) = key.split_at(key.trim_end_matches([' ', '\t', '=', ':']).len());
    let (outer, last) = (name.rsplit_once('.'), path.rsplit_once('.'));
    let (Some((outer, _)), Some((_, last))) = (outer, last) else {
        return Err(EditError::NotInPlace);
    };
    let gap = if whole.ends_with('\n') {
        ""
    } else {
        end_of_line
    };
    let own_end = if whole.ends_with('\n') {
        end_of_line
    } else {
        ""
    };
    Ok([
        head, whole, gap, outer, ".", last, equals, value, own_end, rest,
    ]
    .concat())
}

/// What stands before a line (from 1), it with all lines that it goes on in, and what follows.
fn around(text: &str, line: usize) -> (&str, &str, &str) {
    let length = |lines: &[&str]| lines.iter().map(|line| line.len()).sum::<usize>();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (before, from) = lines.split_at(line.saturating_sub(1).min(lines.len()));
    let going_on = from
        .iter()
        .take_while(|line| goes_on(line.trim_end_matches(['\r', '\n'])));
    let own = (going_on.count() + 1).min(from.len());
    let (own, _) = from.split_at(own);
    let (head, tail) = text.split_at(length(before));
    let (own, rest) = tail.split_at(length(own));
    (head, own, rest)
}

/// The value of a line, its end included, without what separates it from its key.
fn after_key(line: &str) -> &str {
    let (_, value) = split(line.trim_start());
    value
}

/// An odd number of backslashes at the end.
fn goes_on(line: &str) -> bool {
    let backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
    backslashes % 2 == 1
}

/// At the first `=`, `:` or white space that no backslash stands before.
fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c: char| {
        let ends = !escaped && (matches!(c, '=' | ':') || c.is_whitespace());
        escaped = c == '\\' && !escaped;
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let rest = rest.trim_start();
    let rest = rest.strip_prefix(['=', ':']).unwrap_or(rest);
    (key, rest.trim_start())
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            plain.push(character);
            continue;
        }
        match characters.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('u') => {
                let digits: String = characters.by_ref().take(4).collect();
                let code = u32::from_str_radix(&digits, 16).ok();
                plain.push(
                    code.and_then(char::from_u32)
                        .unwrap_or(char::REPLACEMENT_CHARACTER),
                );
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_properties_becomes_the_same_line_of_yaml() {
        let text = "# comment\n\nhallpass.service.name = order-service\n\
                    a\\=b:c\\u0041\\n\nlong=1,\\\n  2,\\\n  3\nlast";
        let expected = "\n\n\"hallpass.service.name\": \"order-service\"\n\
                        \"a=b\": \"cA\\n\"\n\"long\": \"1,2,3\"\n\n\n\"last\": \"\"\n";
        assert_eq!(properties_as_yaml(text), expected);
    }

    #[test]
    fn a_value_is_changed_in_its_line_and_all_others_stay() {
        let mode = "scccy.security.internal-jwt.mode";
        let percent = "scccy.security.internal-jwt.enforce-percent";
        let values = [(mode, "enforce"), (percent, "10")];
        for (before, after) in [
            (
                "! why\r\nscccy.security.internalJwt.mode : report\r\n\r\na=b\\\r\n  c\r\n",
                "! why\r\nscccy.security.internalJwt.mode : enforce\r\nscccy.security.internalJwt.enforce-percent : 10\r\n\r\na=b\\\r\n  c\r\n",
            ),
            (
                "scccy.security.internal-jwt.mode=\\\n  report\nscccy.security.internal-jwt.enforce-percent=50",
                "scccy.security.internal-jwt.mode=enforce\nscccy.security.internal-jwt.enforce-percent=10",
            ),
            (
                "# nothing yet",
                "# nothing yet\nscccy.security.internal-jwt.mode=enforce\nscccy.security.internal-jwt.enforce-percent=10\n",
            ),
            (
                "scccy.security.internal-jwt.mode report",
                "scccy.security.internal-jwt.mode enforce\nscccy.security.internal-jwt.enforce-percent 10",
            ),
        ] {
            let changed = properties_with_values(before, &values).unwrap();
            assert_eq!(changed.expose(), after, "{before}");
        }
        for value in ["", "a b", "a\\", "a\nb=c", "ä"] {
            let refused = properties_with_values("", &[(mode, value)]);
            assert_eq!(refused.unwrap_err(), EditError::NotAValue, "{value}");
        }
    }

    #[test]
    fn no_value_gets_out_of_its_quotes() {
        let yaml = properties_as_yaml("a=\"\\\\\nb=x: {y}\n");
        assert_eq!(yaml, "\"a\": \"\\\"\\\\\"\n\"b\": \"x: {y}\"\n");
    }
}
