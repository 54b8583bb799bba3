//! Lists of texts.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::{Found, Section, is_mapping};
use crate::key_path;
use crate::name::check_service_name;
use crate::node::{Entry, Node, Value};
use crate::place::Place;
use crate::report::DEFAULT_ORIGIN;
use crate::suggest;

/// One text of a list.
struct Item<'a> {
    text: &'a str,
    place: &'a Place,
    path: String,
}

impl<'a> Section<'a> {
    /// The texts of `key`, each turned into a value by `check`: a YAML list, or one text with commas, as Spring and
    /// environment variables have it. `check` complains without repeating the text.
    pub fn texts<T, E: Display>(
        &self,
        key: &str,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        match self.find(key) {
            Some(found) => {
                let values = self.texts_of(&found, check)?;
                let shown = self.shown_list(&found);
                self.record(key, &found, &shown);
                Some(values)
            }
            None => {
                let text = self.default(key)?;
                let values = separate(text).map(|text| check(text).ok()).collect();
                let shown = format!("[{text}]");
                self.report
                    .value(self.path_of(key), self.shown(key, &shown), DEFAULT_ORIGIN);
                values
            }
        }
    }

    /// The words of `key`, such as scopes, each turned into a value by `check`: one text with spaces or commas between
    /// them, or a YAML list of them. A comma within an element of a list is a problem: it would be part of the word.
    /// `check` complains without repeating the word.
    pub fn words<T, E: Display>(
        &self,
        key: &str,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let found = self.find(key);
        let is_list = found.is_some_and(|found| matches!(found.node.value, Value::List(_)));
        let check = |word: &str| check(word).map_err(|error| error.to_string());
        let words = self.texts(key, |text| match is_list {
            true if text.contains(',') => {
                Err("must not hold a comma: write each word as an element of its own".to_owned())
            }
            true => check(text).map(|word| vec![word]),
            false => text.split_whitespace().map(check).collect(),
        })?;
        Some(words.into_iter().flatten().collect())
    }

    /// Warns of each text of the list `key` that is a slip of the pen of one of `known`, which `what` calls: a name that is described in
    /// one place and meant in another. What is far from all of them may well be right, and is not warned of.
    pub fn warn_of_slips(&self, key: &str, what: &str, known: &[&str]) {
        let items = self.find(key).and_then(|found| self.items(&found));
        for Item { text, place, path } in items.into_iter().flatten() {
            if let Some(meant) = suggest::slip_of(text, known) {
                let text = format!("{place}: {path}: is {what}; did you mean `{meant}`?");
                self.report.warn(text);
            }
        }
    }

    /// The lists of texts in the mapping `key`, by the names the user gave them, which
    /// [`check_service_name`](crate::check_service_name) allows.
    pub fn named_texts<T, E: Display>(
        &self,
        key: &str,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<BTreeMap<String, Vec<T>>> {
        let path = self.path_of(key);
        let entries = match self.own(key) {
            Some(node) if is_mapping(self.report, &path, node) => node.entries(),
            Some(_) => return None,
            None => &[],
        };
        // All are read before the first bad one makes the result `None`.
        let lists: Vec<_> = entries
            .iter()
            .map(|entry| self.named_list(&path, entry, &check))
            .collect();
        lists.into_iter().collect()
    }

    fn named_list<T, E: Display>(
        &self,
        path: &str,
        entry: &'a Entry,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<(String, Vec<T>)> {
        let path = key_path::join(path, &entry.key);
        let name = check_service_name(&entry.key);
        let name = name.map_err(|message| self.report.problem(&entry.place, &path, message));
        let found = Found {
            node: &entry.node,
            path: path.clone(),
            place_of_seal: String::new(),
            is_inherited: false,
        };
        let texts = self.texts_of(&found, check)?;
        self.record_at(path, &found, &self.shown_list(&found));
        Some((name.ok()?, texts))
    }

    fn texts_of<T, E: Display>(
        &self,
        found: &Found<'a>,
        check: impl Fn(&str) -> Result<T, E>,
    ) -> Option<Vec<T>> {
        let mut values = Some(Vec::new());
        for item in self.items(found)? {
            match (check(item.text), &mut values) {
                (Ok(value), Some(values)) => values.push(value),
                (Ok(_), None) => {}
                (Err(message), _) => {
                    self.report
                        .problem(item.place, &item.path, message.to_string());
                    values = None;
                }
            }
        }
        values
    }

    /// The elements; `None` if one is not a text.
    fn items(&self, found: &Found<'a>) -> Option<Vec<Item<'a>>> {
        let item_path = |index| key_path::join_index(&found.path, index);
        match &found.node.value {
            Value::Scalar(text) => {
                let item = |(index, text)| Item {
                    text,
                    place: &found.node.place,
                    path: item_path(index),
                };
                Some(separate(text.expose()).enumerate().map(item).collect())
            }
            Value::List(items) => {
                let items = items.iter().enumerate();
                // All are looked at before the first that is not a text makes the result `None`.
                let items: Vec<_> = items
                    .map(|(index, node)| self.item(item_path(index), node))
                    .collect();
                items.into_iter().collect()
            }
            Value::Null => Some(Vec::new()),
            _ => {
                self.wrong_type(found.node, &found.path, "a list");
                None
            }
        }
    }

    fn item(&self, path: String, node: &'a Node) -> Option<Item<'a>> {
        let text = self.text_of(node, &path)?.expose();
        let place = &node.place;
        Some(Item { text, place, path })
    }

    fn shown_list(&self, found: &Found<'a>) -> String {
        let texts = self.items(found).unwrap_or_default();
        let texts: Vec<_> = texts.into_iter().map(|item| item.text).collect();
        format!("[{}]", texts.join(", "))
    }
}

pub(super) fn separate(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|text| !text.is_empty())
}
