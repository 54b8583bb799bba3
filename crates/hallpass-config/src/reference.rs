//! The reference of all keys, as Markdown.

use std::fmt::Write as _;

use crate::key::{Key, Kind};
use crate::key_path;
use crate::override_name;

/// The prefix in the names of environment variables.
const PREFIX: &str = "hallpass";

/// The page of all `keys` with their types, units, defaults, environment variables and meanings, after an
/// `introduction`. Sections that are read elsewhere are not on it.
#[must_use]
pub fn markdown(introduction: &str, keys: &[Key]) -> String {
    let mut page = Page {
        text: introduction.to_owned(),
        written: Vec::new(),
    };
    for key in keys
        .iter()
        .filter(|key| !key.is_elsewhere() && !key.is_not_ours())
    {
        page.section(key.name(), key, "##");
    }
    page.text
}

struct Page {
    text: String,
    /// Tables that stand on the page already, with the sections they were written for.
    written: Vec<(&'static [Key], String)>,
}

impl Page {
    fn section(&mut self, path: &str, key: &Key, heading: &str) {
        self.line(&format!("\n{heading} {path}\n\n{}\n", key.doc()));
        let keys = key.children();
        let same = self.written.iter().find(|(known, _)| *known == keys);
        if let Some((_, other)) = same {
            self.line(&format!("The keys are those of `{other}`."));
            return;
        }
        self.written.push((keys, path.to_owned()));
        let is_row = |key: &&Key| key.children().is_empty() && !key.is_not_ours();
        if keys.iter().any(|key| is_row(&key)) {
            self.line("| key | type | default | environment | meaning |\n|---|---|---|---|---|");
        }
        for key in keys.iter().filter(is_row) {
            self.row(path, key);
        }
        for key in keys.iter().filter(|key| !key.children().is_empty()) {
            let path = key_path::join(path, key.name());
            let path = match *key.kind() {
                Kind::Sections(_) => format!("{path}[]"),
                Kind::Named(_) => format!("{path}.NAME"),
                _ => path,
            };
            self.section(&path, key, "###");
        }
    }

    fn row(&mut self, path: &str, key: &Key) {
        let mut variable = format!("{PREFIX}.{path}.{}", key.name()).replace("[]", "[0]");
        if matches!(key.kind(), Kind::NamedTexts { .. }) {
            variable.push_str(".NAME");
        }
        let cells = [
            format!("`{}`", key.name()),
            type_of(key.kind()),
            default_of(key),
            format!("`{}`", override_name::name_of(&variable)),
            key.doc().to_owned(),
        ];
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.text, "{line}");
    }
}

fn type_of(kind: &Kind) -> String {
    match kind {
        Kind::Flag => "`true` or `false`".to_owned(),
        Kind::Text { what: "" } => "text".to_owned(),
        Kind::Text { what } => (*what).to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::File => "file name".to_owned(),
        Kind::Whole { unit, min, max } => format!("{min} to {max} {unit}").trim_end().to_owned(),
        Kind::Choice(names) => {
            let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
            names.join(", ")
        }
        Kind::Texts { what } => format!("list: {what}"),
        Kind::NamedTexts { what } => format!("name to list: {what}"),
        Kind::Section(_) | Kind::Sections(_) | Kind::Named(_) => String::new(),
        Kind::Elsewhere | Kind::NotOurs => String::new(),
    }
}

fn default_of(key: &Key) -> String {
    match (key.default(), key.otherwise_note()) {
        (Some(""), _) => "empty".to_owned(),
        (Some(default), _) => format!("`{default}`"),
        (None, "") => "none".to_owned(),
        (None, otherwise) => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INNER: &[Key] = &[
        Key::new("max-attempts", Kind::count(1, 10), "How often.").or("3"),
        Key::new("rule", Kind::Choice(&["a", "b"]), "Which one.").required(),
    ];
    const OUTER: &[Key] = &[
        Key::new("permit-all", Kind::Flag, "Everybody.").or("false"),
        Key::new("client-id", Kind::Text { what: "a name" }, "Who."),
        Key::new("client-secret", Kind::Secret, "With what."),
        Key::new("client-secret-file", Kind::File, "Where that stands."),
        Key::new("wait-ms", Kind::millis(0, 9), "How long.").or("1"),
        Key::new("scopes", Kind::Texts { what: "scopes" }, "What.").or(""),
        Key::new("retry", Kind::Section(INNER), "Again."),
        Key::new("further", Kind::Sections(INNER), "Others."),
        Key::new("clients", Kind::Named(INNER), "By name."),
        Key::new("static", Kind::NamedTexts { what: "addresses" }, "Places."),
    ];
    const KEYS: &[Key] = &[
        Key::new("outer", Kind::Section(OUTER), "Everything."),
        Key::elsewhere("other"),
    ];

    #[test]
    fn every_kind_of_key_has_its_line() {
        let expected = "\
Hello.

## outer

Everything.

| key | type | default | environment | meaning |
|---|---|---|---|---|
| `permit-all` | `true` or `false` | `false` | `HALLPASS_OUTER_PERMIT_ALL` | Everybody. |
| `client-id` | a name | none | `HALLPASS_OUTER_CLIENT_ID` | Who. |
| `client-secret` | secret | none | `HALLPASS_OUTER_CLIENT_SECRET` | With what. |
| `client-secret-file` | file name | none | `HALLPASS_OUTER_CLIENT_SECRET_FILE` | Where that stands. |
| `wait-ms` | 0 to 9 milliseconds | `1` | `HALLPASS_OUTER_WAIT_MS` | How long. |
| `scopes` | list: scopes | empty | `HALLPASS_OUTER_SCOPES` | What. |
| `static` | name to list: addresses | none | `HALLPASS_OUTER_STATIC_NAME` | Places. |

### outer.retry

Again.

| key | type | default | environment | meaning |
|---|---|---|---|---|
| `max-attempts` | 1 to 10 | `3` | `HALLPASS_OUTER_RETRY_MAX_ATTEMPTS` | How often. |
| `rule` | `a`, `b` | required | `HALLPASS_OUTER_RETRY_RULE` | Which one. |

### outer.further[]

Others.

The keys are those of `outer.retry`.

### outer.clients.NAME

By name.

The keys are those of `outer.retry`.
";
        assert_eq!(markdown("Hello.\n", KEYS), expected);
    }

    #[test]
    fn names_of_variables_are_those_that_override_the_key() {
        fn check(path: &str, keys: &'static [Key]) {
            for key in keys {
                let path = key_path::join(path, key.name());
                match *key.kind() {
                    Kind::Section(keys) => check(&path, keys),
                    Kind::Sections(keys) => check(&format!("{path}[0]"), keys),
                    Kind::Named(keys) => check(&format!("{path}.some-name"), keys),
                    kind => {
                        let name = override_name::name_of(&format!("{PREFIX}.{path}"));
                        let found = override_name::path_of(&name, PREFIX, KEYS, None);
                        match kind {
                            Kind::NamedTexts { .. } | Kind::Elsewhere | Kind::NotOurs => {
                                assert_eq!(found, None, "{name}");
                            }
                            _ => assert_eq!(found, Some(key_path::parse(&path)), "{name}"),
                        }
                    }
                }
            }
        }
        check("", KEYS);
    }
}
