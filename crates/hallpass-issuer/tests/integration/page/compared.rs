//! Whether a response is what the page shows.

use serde_json::{Map, Value};

use super::{Values, next_name};

/// Whether a value has the form that its name promises.
pub(crate) type Form = fn(&str) -> bool;

/// In place of a name that stands without quotation marks in JSON: a number, and no text.
const BARE: char = '\u{e000}';
/// In place of `...` in JSON.
const ANYTHING: &str = "\u{e001}";
/// The member that stands for further ones.
const FURTHER: &str = "...";

pub(crate) fn is_number(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit())
}

pub(crate) fn is_base64url(value: &str) -> bool {
    let is_of_it = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    value.len() >= 16 && value.bytes().all(is_of_it)
}

/// Three parts in base64url, the first of which is of a header.
pub(crate) fn is_jwt(value: &str) -> bool {
    let parts: Vec<&str> = value.split('.').collect();
    parts.len() == 3 && parts.iter().all(|part| is_base64url(part)) && value.starts_with("eyJ")
}

impl Values {
    /// One text against one that may hold names.
    pub(super) fn text(&mut self, shown: &str, found: &str) -> Result<(), String> {
        let differs = || format!("{found:?} is not {shown:?}");
        let Some((before, name, after)) = next_name(shown) else {
            return (shown == found).then_some(()).ok_or_else(differs);
        };
        let rest = found.strip_prefix(before).ok_or_else(differs)?;
        // A name ends where the text goes on that follows it.
        let following = next_name(after).map_or(after, |(literal, _, _)| literal);
        let end = match (following.is_empty(), following == after) {
            (true, _) => rest.len(),
            (false, true) => rest
                .len()
                .checked_sub(following.len())
                .ok_or_else(differs)?,
            (false, false) => rest.find(following).ok_or_else(differs)?,
        };
        let (value, rest) = rest.split_at_checked(end).ok_or_else(differs)?;
        self.take(name, value)?;
        self.text(after, rest)
    }

    /// What was found at the place of a name.
    fn take(&mut self, name: &str, value: &str) -> Result<(), String> {
        if self.same.iter().any(|same| same == name) && self.known[name] != value {
            return Err(format!("{{{name}}} of the request is {value:?} here"));
        }
        let form = self.forms.iter().find(|(known, _)| *known == name);
        match form {
            None => Err(format!("{{{name}}} has no form in the test")),
            Some((_, form)) if !form(value) => Err(format!("{value:?} is no {{{name}}}")),
            Some(_) => {
                self.put(name, value);
                Ok(())
            }
        }
    }

    /// Lines, of which `...` stands for any number.
    pub(super) fn lines(&mut self, shown: &str, found: &str) -> Result<(), String> {
        let mut found = found.lines();
        let mut skips = false;
        for line in shown.lines() {
            if line == FURTHER {
                skips = true;
                continue;
            }
            loop {
                let next = found.next();
                let next = next.ok_or_else(|| format!("the line {line:?} does not come"))?;
                match self.text(line, next) {
                    Ok(()) => break,
                    Err(_) if skips => {}
                    Err(problem) => return Err(problem),
                }
            }
            skips = false;
        }
        match found.next() {
            Some(more) if !skips => Err(format!("the page does not show {more:?}")),
            _ => Ok(()),
        }
    }

    pub(super) fn json(&mut self, shown: &str, found: &str) -> Result<(), String> {
        let parsed = serde_json::from_str(&quoted(shown));
        let shown: Value = parsed.map_err(|error| format!("the page shows no JSON: {error}"))?;
        let found: Value =
            serde_json::from_str(found).map_err(|error| format!("no JSON: {error}: {found}"))?;
        self.value("", &shown, &found)
    }

    fn value(&mut self, place: &str, shown: &Value, found: &Value) -> Result<(), String> {
        let at = |problem: String| format!("{place}: {problem}");
        match (shown, found) {
            (Value::String(shown), _) if shown == ANYTHING => Ok(()),
            (Value::String(shown), _) if shown.starts_with(BARE) => match found {
                Value::String(text) => Err(at(format!("{text:?} is a text"))),
                other => self
                    .text(shown.trim_start_matches(BARE), &other.to_string())
                    .map_err(at),
            },
            (Value::String(shown), Value::String(found)) => self.text(shown, found).map_err(at),
            (Value::Object(shown), Value::Object(found)) => self.members(place, shown, found),
            (Value::Array(shown), Value::Array(found)) => self.elements(place, shown, found),
            _ if shown == found => Ok(()),
            _ => Err(at(format!("{found} is not {shown}"))),
        }
    }

    fn members(
        &mut self,
        place: &str,
        shown: &Map<String, Value>,
        found: &Map<String, Value>,
    ) -> Result<(), String> {
        for (name, value) in shown.iter().filter(|(name, _)| *name != FURTHER) {
            let member = found.get(name);
            let member = member.ok_or_else(|| format!("{place}: no member {name:?}"))?;
            self.value(&format!("{place}/{name}"), value, member)?;
        }
        let unknown = found.keys().find(|name| !shown.contains_key(*name));
        match unknown {
            Some(name) if !shown.contains_key(FURTHER) => {
                Err(format!("{place}: the page does not show {name:?}"))
            }
            _ => Ok(()),
        }
    }

    fn elements(&mut self, place: &str, shown: &[Value], found: &[Value]) -> Result<(), String> {
        let open = shown.last().is_some_and(|last| last == ANYTHING);
        let shown = &shown[..shown.len() - usize::from(open)];
        if found.len() < shown.len() || (found.len() > shown.len() && !open) {
            let (found, shown) = (found.len(), shown.len());
            return Err(format!("{place}: {found} elements, not {shown}"));
        }
        for (number, (shown, found)) in shown.iter().zip(found).enumerate() {
            self.value(&format!("{place}/{number}"), shown, found)?;
        }
        Ok(())
    }
}

/// JSON with names and `...` outside texts as JSON that a parser reads.
fn quoted(shown: &str) -> String {
    let mut json = String::new();
    let mut rest = shown;
    let mut in_text = false;
    while let Some(first) = rest.chars().next() {
        let name = next_name(rest).filter(|(before, _, _)| before.is_empty());
        if let Some((_, name, after)) = name.filter(|_| !in_text) {
            json.push_str(&format!("\"{BARE}{{{name}}}\""));
            rest = after;
        } else if let Some(after) = rest.strip_prefix(FURTHER).filter(|_| !in_text) {
            json.push_str(&format!("\"{ANYTHING}\""));
            rest = after;
        } else {
            if in_text && first == '\n' {
                // A long text may go on in the next line of the page.
                json.push(' ');
                rest = rest.trim_start();
                continue;
            }
            let escaped = in_text && first == '\\';
            in_text ^= first == '"';
            let length = first.len_utf8() + usize::from(escaped);
            let (these, after) = rest.split_at(length);
            json.push_str(these);
            rest = after;
        }
    }
    json
}

#[cfg(test)]
mod tests {
    use crate::harness::Response;
    use crate::page::{Values, blocks, exchanges, is_number};

    const PAGE: &str = "\
# A page

```http mark
POST /a?b=c
X: {known}

one={known}
&two=2

HTTP/1.1 201 Created
Location: /a/{id}/x

{\"id\": {id}, \"list\": [1, ...], \"text\": \"...\", \"...\": ...}
```
";

    fn values() -> Values {
        let mut values = Values::new(&[("id", is_number), ("known", |_| true)]);
        values.put("known", "k");
        values
    }

    /// What a response of this status, place and body lacks.
    fn lacks(status: u16, location: &str, body: &str) -> Vec<String> {
        let bytes = format!(
            "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\nlocation: {location}\r\n\r\n{body}"
        );
        let compared =
            exchanges(PAGE)[0].compare(&Response::parse(bytes.as_bytes()), &mut values());
        compared.err().unwrap_or_default()
    }

    #[test]
    fn a_request_is_sent_as_the_page_shows_it_with_what_its_names_stand_for() {
        let exchange = &exchanges(PAGE)[0];
        let sent = String::from_utf8(exchange.request(&values())).unwrap();
        assert!(sent.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{sent}");
        assert!(
            sent.contains("\r\nX: k\r\n") && sent.ends_with("\r\n\r\none=k&two=2"),
            "{sent}"
        );
        assert_eq!((exchange.endpoint(), exchange.status()), ("POST /a", 201));
        assert_eq!((exchange.line, exchange.mark.as_str()), (3, "mark"));
    }

    #[test]
    fn a_response_that_differs_from_the_page_in_anything_is_found() {
        let body = r#"{"id":7,"list":[1,2],"text":"...","more":true}"#;
        assert_eq!(lacks(201, "/a/7/x", body), [""; 0]);
        for (status, location, body, number) in [
            (200, "/a/7/x", body.to_owned(), 1),
            (201, "/b/7/x", body.to_owned(), 1),
            (201, "/a/seven/x", body.to_owned(), 1),
            (201, "/a/7/x", body.replace('7', "\"7\""), 1),
            (201, "/a/7/x", body.replace("[1,", "[2,"), 1),
            (201, "/a/7/x", body.replace("\"...\"", "\"a\""), 1),
            (201, "/a/7/x", body.replace("\"list\"", "\"least\""), 1),
            (201, "/a/7/x", String::new(), 1),
            (200, "/b/7/x", String::new(), 3),
        ] {
            let problems = lacks(status, location, &body);
            assert_eq!(problems.len(), number, "{body}: {problems:?}");
        }
    }

    #[test]
    fn a_member_or_a_line_that_the_page_does_not_show_is_found_unless_it_says_so() {
        let mut values = values();
        assert!(values.json("{\"a\": 1}", "{\"a\":1,\"b\":2}").is_err());
        assert!(values.json("[1]", "[1,2]").is_err());
        assert!(values.lines("a\nb", "a\nb\nc").is_err());
        assert!(values.lines("a\nc", "a\nb\nc").is_err());
        assert_eq!(values.lines("...\nb {id}\n...", "a\nb 1\nc\n"), Ok(()));
        assert!(values.lines("...\nb {id}", "a\nb x\n").is_err());
        let wrapped = "{\"a\": \"one\n  two\"}";
        assert_eq!(values.json(wrapped, "{\"a\":\"one two\"}"), Ok(()));
    }

    #[test]
    fn a_name_of_the_request_is_the_same_value_in_its_response() {
        let mut values = values();
        values.same = vec!["known".to_owned()];
        assert_eq!(values.text("\"{known}\"", "\"k\""), Ok(()));
        assert!(values.text("\"{known}\"", "\"other\"").is_err());
        assert!(values.text("{unheard}", "x").is_err(), "it has no form");
    }

    #[test]
    fn a_block_in_a_list_is_a_block_too() {
        let page = "- a\n\n  ```yaml\n  b:\n    c: d\n  ```\n";
        let blocks = blocks(page);
        assert_eq!(blocks.len(), 1);
        assert_eq!(blocks[0].text, "b:\n  c: d\n");
        assert_eq!((blocks[0].language.as_str(), blocks[0].line), ("yaml", 3));
    }

    #[test]
    #[should_panic(expected = "no request and response")]
    fn a_request_without_a_response_is_no_exchange() {
        let two = PAGE.replace("HTTP/1.1 201 Created", "GET /b");
        exchanges(&two);
    }
}
