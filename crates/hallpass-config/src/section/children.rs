//! Sections within a section.

use std::fmt::Display;

use super::{Section, is_mapping};
use crate::key::Key;
use crate::key_path;
use crate::name::check_service_name;
use crate::node::{Node, Value};
use crate::place::Place;
use crate::sealing;

impl<'a> Section<'a> {
    /// The section `key` of this section. If this one inherits, so does that.
    pub fn section(&self, key: &str) -> Self {
        let node = self.own(key);
        let mut section = self.child(key, self.path_of(key), &self.place, node);
        section.parent = self
            .parent
            .as_ref()
            .map(|parent| Box::new(parent.section(key)));
        section
    }

    /// The sections in the list `key`; none if it is absent or not a list. They inherit nothing by themselves.
    pub fn sections(&self, key: &str) -> Vec<Self> {
        let Some(node) = self.own(key) else {
            return Vec::new();
        };
        let path = self.path_of(key);
        let Value::List(items) = &node.value else {
            self.wrong_type(node, &path, "a list");
            return Vec::new();
        };
        let told_apart_by = self.key(key).and_then(Key::key_of_entries);
        let open = |(index, item): (usize, &'a Node)| {
            let path = key_path::join_index(&path, index);
            let mut section = self.child(key, path, &node.place, Some(item));
            let name = told_apart_by.and_then(|key| match &item.get(key)?.value {
                Value::Scalar(name) => Some(name.expose().to_owned()),
                _ => None,
            });
            let name = sealing::entry_name(&name.unwrap_or_else(|| index.to_string()));
            section.place_of_seals.push_str(&name);
            section
        };
        items.iter().enumerate().map(open).collect()
    }

    /// The sections in the mapping `key`, with the names the user gave them, which [`check_service_name`] allows. They
    /// inherit nothing by themselves.
    pub fn named(&self, key: &str) -> Vec<(String, Self)> {
        self.named_by(key, check_service_name)
    }

    /// The same, with names that `check` turns into values or complains of, without repeating the name.
    pub fn named_by<N, E: Display>(
        &self,
        key: &str,
        check: impl Fn(&str) -> Result<N, E>,
    ) -> Vec<(N, Self)> {
        let Some(node) = self.own(key) else {
            return Vec::new();
        };
        let path = self.path_of(key);
        if !is_mapping(self.report, &path, node) {
            return Vec::new();
        }
        let mut sections = Vec::new();
        for entry in node.entries() {
            let path = key_path::join(&path, &entry.key);
            let name = match check(&entry.key) {
                Ok(name) => name,
                Err(message) => {
                    self.report
                        .problem(&entry.place, &path, message.to_string());
                    continue;
                }
            };
            let mut section = self.child(key, path, &entry.place, Some(&entry.node));
            section.place_of_seals.push('.');
            section.place_of_seals.push_str(&entry.key);
            sections.push((name, section));
        }
        sections
    }

    pub(super) fn child(
        &self,
        key: &str,
        path: String,
        place: &Place,
        node: Option<&'a Node>,
    ) -> Self {
        let keys = self.key(key).map_or(&[][..], Key::children);
        let node = node.filter(|node| !node.is_null());
        let mut child = Self::open(self.report, keys, path, place, node);
        child.is_in_use &= self.is_in_use;
        child.keyring = self.keyring;
        child.references = self.references;
        child.place_of_seals = self.place_of_seal(key);
        child.in_production(self.production)
    }
}
