//! What a page shows: fenced blocks, commands in them, and what they say.

#[path = "../../../../../tests/pages/blocks.rs"]
mod blocks;

use std::collections::BTreeMap;

pub(crate) use blocks::{Block, blocks};

/// Stands for anything: a line of it for any lines, within a line for any text.
const ANYTHING: &str = "...";

/// The commands of a session, each with the lines that stand below it.
pub(crate) fn commands(block: &Block) -> Vec<(&str, Vec<&str>)> {
    let mut commands: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in block.text.lines() {
        match line.strip_prefix("$ ") {
            Some(command) => commands.push((command, Vec::new())),
            None => {
                let (_, said) = commands.last_mut().expect("a command comes first");
                said.push(line);
            }
        }
    }
    commands
}

/// What the names of a page stand for: one value each.
#[derive(Clone, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    pub(crate) fn fill(&self, text: &str) -> String {
        let mut filled = text.to_owned();
        for (name, value) in &self.0 {
            filled = filled.replace(&format!("{{{name}}}"), value);
        }
        filled
    }

    /// Whether `said` is what stands on the page. Names that are met for the first time have a value then.
    pub(crate) fn fit(&mut self, shown: &[&str], said: &str) -> Result<(), String> {
        let mut tried = self.clone();
        let said: Vec<&str> = said.lines().collect();
        if !tried.lines(shown, &said) {
            let (shown, said) = (shown.join("\n"), said.join("\n"));
            return Err(format!("the page shows\n{shown}\nand it said\n{said}"));
        }
        *self = tried;
        Ok(())
    }

    fn lines(&mut self, shown: &[&str], said: &[&str]) -> bool {
        match (shown.split_first(), said.split_first()) {
            (None, None) => true,
            (Some((&ANYTHING, rest)), _) => (0..=said.len()).any(|skipped| {
                let mut tried = self.clone();
                let fits = tried.lines(rest, &said[skipped..]);
                if fits {
                    *self = tried;
                }
                fits
            }),
            (Some((shown, rest)), Some((line, more))) => {
                self.line(shown, line) && self.lines(rest, more)
            }
            _ => false,
        }
    }

    fn line(&mut self, shown: &str, said: &str) -> bool {
        let filled = self.fill(shown);
        let Some((before, name, after)) = next(&filled) else {
            return filled == said;
        };
        let Some(rest) = said.strip_prefix(before) else {
            return false;
        };
        let ends = rest.char_indices().map(|(end, _)| end);
        for end in ends.chain([rest.len()]) {
            let value = &rest[..end];
            let mut tried = self.clone();
            if let Some(name) = name {
                if value.is_empty() || value.contains(' ') {
                    continue;
                }
                tried.0.insert(name.to_owned(), value.to_owned());
            }
            if tried.line(after, &rest[end..]) {
                *self = tried;
                return true;
            }
        }
        false
    }
}

/// The first name or `...` of a line: what stands before, the name if it is one, and what follows.
fn next(line: &str) -> Option<(&str, Option<&str>, &str)> {
    let is_of_name = |c: char| c.is_ascii_lowercase() || c == '-';
    let name = line.match_indices('{').find_map(|(start, _)| {
        let (name, after) = line[start + 1..].split_once('}')?;
        let is_one = !name.is_empty() && name.chars().all(is_of_name);
        is_one.then_some((&line[..start], Some(name), after))
    });
    let anything = line.split_once(ANYTHING);
    let anything = anything.map(|(before, after)| (before, None, after));
    match (name, anything) {
        (Some(name), Some(anything)) if anything.0.len() < name.0.len() => Some(anything),
        (name, anything) => name.or(anything),
    }
}

#[test]
fn what_was_said_fits_what_is_shown_or_does_not() {
    for (shown, said, fits) in [
        ("a\nb", "a\nb\n", true),
        ("a", "a\nb", false),
        ("a\nb", "a", false),
        ("a\n...", "a\nb\nc", true),
        ("...\nb", "a\nb", true),
        ("...\nb", "a\nc", false),
        ("k {x} of {x}", "k 7 of 7", true),
        ("k {x} of {x}", "k 7 of 8", false),
        ("k {x}", "k ", false),
        ("k {x}", "k 7 8", false),
        ("{\"a\":1,...", "{\"a\":1,\"b\":2}", true),
        ("...b...", "abc", true),
        ("...b...", "ac", false),
    ] {
        let shown: Vec<&str> = shown.lines().collect();
        let fit = Names::default().fit(&shown, said);
        assert_eq!(fit.is_ok(), fits, "{shown:?} {said:?}");
    }
}

#[test]
fn a_name_keeps_its_value_for_what_follows() {
    let mut names = Names::default();
    names
        .fit(&["key {kid} since ..."], "key abc since now")
        .unwrap();
    assert_eq!(names.fill("taint {kid} {other}"), "taint abc {other}");
    assert!(names.fit(&["tainted {kid}"], "tainted other").is_err());
}
