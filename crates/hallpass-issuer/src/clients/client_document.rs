//! What a client is registered for, as a document that people compare and programs keep.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

/// The keys that hold digests of secrets, or what belongs to them.
const OF_SECRETS: [&str; 4] = [
    "client-secret-digest",
    "previous-client-secret-digest",
    "previous-client-secret-until",
    "client-secret",
];
/// Lists whose order means nothing.
const SETS: [&str; 5] = [
    "audiences",
    "grant-types",
    "may-revoke",
    "scopes",
    "targets",
];
const SCOPES: &str = "scopes";
/// What is shown first.
const FIRST: &str = "client-id";

/// What a client is registered for: the keys of an entry of `issuer.clients`, each in one form whatever was written, and without what
/// stands at its default. No secret and no digest of one is in it. Lists are in the order in which they were written.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct ClientDocument(Map<String, Value>);

/// A key that two documents have otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyChange {
    /// Such as `scopes`.
    pub key: String,
    /// What it was; `None`: the default.
    pub before: Option<Value>,
    /// What it becomes; `None`: the default.
    pub after: Option<Value>,
}

impl ClientDocument {
    /// Of the JSON of one entry; `None` when it is no mapping.
    pub(crate) fn of(entry: &str) -> Option<Self> {
        let mut entry: Map<String, Value> = serde_json::from_str(entry).ok()?;
        entry.retain(|key, _| !OF_SECRETS.contains(&key.as_str()));
        entry.values_mut().for_each(split_scopes);
        split_words(&mut entry);
        Some(Self(entry))
    }

    /// The value of `key`; `None` where the default counts.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    /// All keys with their values.
    #[must_use]
    pub const fn as_map(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The same with `value` for `key`; `None` takes it away.
    pub(crate) fn with(mut self, key: &str, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.0.insert(key.to_owned(), value),
            None => self.0.remove(key),
        };
        self
    }

    /// Each key that `after` has otherwise, by name. The order of a list counts only where it means something.
    #[must_use]
    pub fn changes_to(&self, after: &Self) -> Vec<KeyChange> {
        let keys: std::collections::BTreeSet<_> = self.0.keys().chain(after.0.keys()).collect();
        keys.into_iter()
            .filter(|key| settled(key, self.get(key)) != settled(key, after.get(key)))
            .map(|key| KeyChange {
                key: key.clone(),
                before: self.get(key).cloned(),
                after: after.get(key).cloned(),
            })
            .collect()
    }

    /// As one element of a YAML list that is indented by `indent` spaces. `more` comes after its own keys.
    #[must_use]
    pub fn to_yaml(&self, indent: usize, more: &[(&str, String)]) -> String {
        let mut out = String::new();
        let own = self.0.iter().filter(|(key, _)| *key != FIRST);
        let first = self.0.get_key_value(FIRST).into_iter();
        let own = first.chain(own).map(|(key, value)| (key.as_str(), value));
        let more: Vec<_> = more
            .iter()
            .map(|(key, text)| (*key, Value::from(text.as_str())))
            .collect();
        let more = more.iter().map(|(key, value)| (*key, value));
        for (index, (key, value)) in own.chain(more).enumerate() {
            let lead = if index == 0 { "- " } else { "  " };
            let _ = write!(out, "{:indent$}{lead}{key}:", "");
            write_value(value, indent + 2, &mut out);
        }
        out
    }
}

/// A value in which the order of a list means something.
fn settled(key: &str, value: Option<&Value>) -> Option<Value> {
    let mut value = value.cloned()?;
    settle(key, &mut value);
    Some(value)
}

fn settle(key: &str, value: &mut Value) {
    match value {
        Value::Array(items) => {
            items.iter_mut().for_each(|item| settle("", item));
            if SETS.contains(&key) && items.iter().all(Value::is_string) {
                items.sort_unstable_by(|one, other| one.as_str().cmp(&other.as_str()));
                items.dedup();
            }
        }
        Value::Object(entries) => entries
            .iter_mut()
            .for_each(|(key, value)| settle(key, value)),
        _ => {}
    }
}

/// Scopes may be written as one text with spaces between them.
fn split_scopes(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(split_scopes),
        Value::Object(entries) => {
            split_words(entries);
            entries.values_mut().for_each(split_scopes);
        }
        _ => {}
    }
}

fn split_words(entry: &mut Map<String, Value>) {
    if let Some(Value::Array(items)) = entry.get_mut(SCOPES) {
        let words = items.iter().filter_map(Value::as_str);
        *items = words
            .flat_map(str::split_whitespace)
            .map(Value::from)
            .collect();
    }
}

/// `indent` is where the key of the value stands. To a text nothing fails to be written.
fn write_value(value: &Value, indent: usize, out: &mut String) {
    let inner = indent + 2;
    match value {
        Value::Array(items) if items.iter().any(Value::is_object) => {
            out.push('\n');
            for item in items {
                let entries = item.as_object().into_iter().flatten();
                for (index, (key, value)) in entries.enumerate() {
                    let lead = if index == 0 { "- " } else { "  " };
                    let _ = write!(out, "{:inner$}{lead}{key}:", "");
                    write_value(value, inner + 2, out);
                }
            }
        }
        Value::Object(entries) => {
            out.push('\n');
            for (key, value) in entries {
                let _ = write!(out, "{:inner$}{key}:", "");
                write_value(value, inner, out);
            }
        }
        Value::Array(items) => {
            let items: Vec<_> = items.iter().map(scalar).collect();
            let _ = writeln!(out, " [{}]", items.join(", "));
        }
        value => {
            let _ = writeln!(out, " {}", scalar(value));
        }
    }
}

/// Without quotation marks where nobody could take it for something else.
fn scalar(value: &Value) -> String {
    let Value::String(text) = value else {
        return value.to_string();
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte);
    let begins_plain = text.starts_with(|first: char| first.is_ascii_alphabetic());
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
    );
    let colons = text.split(':').all(|part| !part.is_empty());
    let is_plain = |text: &str| text.bytes().all(|byte| is_plain(byte) || byte == b':');
    match begins_plain && !is_word && colons && is_plain(text) {
        true => text.clone(),
        false => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(json: &str) -> ClientDocument {
        ClientDocument::of(json).unwrap()
    }

    #[test]
    fn what_says_the_same_is_one_document_and_no_secret_is_in_it() {
        let one = document(
            r#"{"client-id": "a", "scopes": ["write read"], "audiences": ["b", "a", "b"], "client-secret-digest": "$sha256$x",
               "previous-client-secret-digest": "$sha256$y", "previous-client-secret-until": "z"}"#,
        );
        let other =
            document(r#"{"audiences": ["a", "b"], "client-id": "a", "scopes": ["read", "write"]}"#);
        assert_eq!(one.changes_to(&other), []);
        assert!(!format!("{one:?}").contains("sha256"));
    }

    #[test]
    fn changes_are_told_key_by_key() {
        let before = document(r#"{"client-id": "a", "scopes": ["read"], "enabled": false}"#);
        let after =
            document(r#"{"client-id": "a", "scopes": ["read", "write"], "audiences": ["b"]}"#);
        let changes: Vec<_> = before
            .changes_to(&after)
            .into_iter()
            .map(|it| format!("{} {:?} {:?}", it.key, it.before, it.after))
            .collect();
        assert_eq!(
            changes,
            [
                "audiences None Some(Array [String(\"b\")])",
                "enabled Some(Bool(false)) None",
                "scopes Some(Array [String(\"read\")]) Some(Array [String(\"read\"), String(\"write\")])",
            ]
        );
        assert_eq!(before.changes_to(&before), []);
    }

    #[test]
    fn yaml_says_what_the_document_says() {
        let all = document(
            r#"{"client-id": "a: b", "scopes": ["orders:read", "true", "9"], "token-life-seconds": 60, "exchange": [
               {"subject-kinds": ["user"], "targets": ["x"]}, {"targets": ["z"]}], "certificate": {"spiffe-id": "spiffe://a/b"}}"#,
        );
        let yaml = all.to_yaml(4, &[("client-secret-digest", "$sha256$x".to_owned())]);
        assert_eq!(
            yaml,
            "    - client-id: \"a: b\"\n      certificate:\n        spiffe-id: spiffe://a/b\n      exchange:\n        - subject-kinds: [user]\n          \
             targets: [x]\n        - targets: [z]\n      scopes: [orders:read, \"true\", \"9\"]\n      token-life-seconds: 60\n      \
             client-secret-digest: \"$sha256$x\"\n"
        );
    }
}
