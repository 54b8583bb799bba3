//! A `.properties` document as YAML: each of its lines becomes one line, so that problems name the right one.

use std::fmt::Write as _;

/// The same in YAML. Keys keep their dots, which the loader takes apart.
///
/// Escapes as Java has them (`\t`, `\n`, `\r`, `\uXXXX`, any other character for itself) and lines that go on after a
/// backslash at their end are understood.
pub(crate) fn to_yaml(text: &str) -> String {
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
        assert_eq!(to_yaml(text), expected);
    }

    #[test]
    fn no_value_gets_out_of_its_quotes() {
        let yaml = to_yaml("a=\"\\\\\nb=x: {y}\n");
        assert_eq!(yaml, "\"a\": \"\\\"\\\\\"\n\"b\": \"x: {y}\"\n");
    }
}
