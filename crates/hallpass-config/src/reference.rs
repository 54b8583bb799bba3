//! The reference of all keys, as Markdown.

use std::fmt::Write as _;

use crate::key::{Key, Kind};
use crate::key_path;
use crate::override_name;
use crate::settings;

/// What the page says before the keys.
const INTRODUCTION: &str = include_str!("reference/introduction.md");
/// The prefix in the names of environment variables.
const PREFIX: &str = "hallpass";

/// The page `docs/config.md`: every key with its type, unit, default, environment variable and meaning.
#[must_use]
pub fn markdown() -> String {
    let mut page = Page {
        text: INTRODUCTION.to_owned(),
        written: Vec::new(),
    };
    for key in settings::KEYS {
        page.section(key.name, key, "##");
    }
    page.text
}

struct Page {
    text: String,
    /// Tables that stand on the page already, with the sections they were written for.
    written: Vec<(&'static [Key], String)>,
}

impl Page {
    fn section(&mut self, path: &str, key: &'static Key, heading: &str) {
        self.line(&format!("\n{heading} {path}\n\n{}\n", key.doc));
        let keys = key.children();
        let same = self
            .written
            .iter()
            .find(|(known, _)| std::ptr::eq(*known, keys));
        if let Some((_, other)) = same {
            self.line(&format!("The keys are those of `{other}`."));
            return;
        }
        self.written.push((keys, path.to_owned()));
        if keys.iter().any(|key| key.children().is_empty()) {
            self.line("| key | type | default | environment | meaning |\n|---|---|---|---|---|");
        }
        for key in keys.iter().filter(|key| key.children().is_empty()) {
            self.row(path, key);
        }
        for key in keys.iter().filter(|key| !key.children().is_empty()) {
            let path = key_path::join(path, key.name);
            let path = match key.kind {
                Kind::Sections(_) => format!("{path}[]"),
                Kind::Named(_) => format!("{path}.NAME"),
                _ => path,
            };
            self.section(&path, key, "###");
        }
    }

    fn row(&mut self, path: &str, key: &Key) {
        let mut variable = format!("{PREFIX}.{path}.{}", key.name).replace("[]", "[0]");
        if matches!(key.kind, Kind::NamedTexts { .. }) {
            variable.push_str(".NAME");
        }
        let cells = [
            format!("`{}`", key.name),
            type_of(&key.kind),
            default_of(key),
            format!("`{}`", override_name::name_of(&variable)),
            key.doc.to_owned(),
        ];
        self.line(&format!("| {} |", cells.join(" | ")));
    }

    fn line(&mut self, line: &str) {
        // Writing to a string can not fail.
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
    }
}

fn default_of(key: &Key) -> String {
    match (key.default, key.otherwise) {
        (Some(""), _) => "empty".to_owned(),
        (Some(default), _) => format!("`{default}`"),
        (None, "") => "none".to_owned(),
        (None, otherwise) => otherwise.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_in_the_tree_is_up_to_date() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/config.md");
        let page = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            page == markdown(),
            "run: cargo run -p hallpass-config --example reference > docs/config.md"
        );
    }

    #[test]
    fn names_of_variables_are_those_that_override_the_key() {
        fn check(path: &str, keys: &'static [Key]) {
            for key in keys {
                let path = key_path::join(path, key.name);
                match &key.kind {
                    Kind::Section(keys) => check(&path, keys),
                    Kind::Sections(keys) => check(&format!("{path}[0]"), keys),
                    Kind::Named(keys) => check(&format!("{path}.some-name"), keys),
                    _ => {
                        let name = override_name::name_of(&format!("{PREFIX}.{path}"));
                        let found = override_name::path_of(&name, PREFIX, settings::KEYS, None);
                        match &key.kind {
                            Kind::NamedTexts { .. } => assert_eq!(found, None, "{name}"),
                            _ => assert_eq!(found, Some(key_path::parse(&path)), "{name}"),
                        }
                    }
                }
            }
        }
        check("", settings::KEYS);
    }
}
