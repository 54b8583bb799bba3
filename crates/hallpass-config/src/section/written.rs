//! What a section says, in the one form that it has however it was spelled.

use super::Section;
use super::lists::separate;
use crate::duration;
use crate::key::{Key, Kind};
use crate::node::{Node, Value};
use crate::plain;
use crate::secret::Secret;

impl Section<'_> {
    /// What this section itself says, as JSON: each key by its name, a list as a list, a number and a truth value as such, and nothing that
    /// stands at its default anyway. So two texts that say the same become one, which a person can compare and a program can keep. It can be
    /// read again in the place of the section.
    ///
    /// Values are taken as they stand, secrets in clear too: that is why the text is a [`Secret`]. Nothing that is inherited is in it, and of
    /// unknown keys, which are problems, nothing either. `None` for a section that is absent or holds a tag of another program.
    ///
    /// ```
    /// use hallpass_config::{Configuration, Key, Kind, Loader, Section};
    ///
    /// struct Written(String);
    /// const KEYS: &[Key] = &[
    ///     Key::new("names", Kind::Texts { what: "" }, ""),
    ///     Key::new("life-seconds", Kind::seconds(1, 9_999), ""),
    ///     Key::new("loud", Kind::Flag, "").or("false"),
    /// ];
    /// impl Configuration for Written {
    ///     fn keys() -> Vec<Key> { vec![Key::new("client", Kind::Section(KEYS), "")] }
    ///     fn read(root: &Section<'_>) -> Option<Self> {
    ///         Some(Self(root.section("client").written()?.expose().to_owned()))
    ///     }
    /// }
    /// let yaml = "my-app: { client: { lifeSeconds: 1h, loud: no, names: 'a, b' } }";
    /// let loaded = Loader::new("my-app").text("a.yaml", yaml).load::<Written>()?;
    /// assert_eq!(loaded.settings().0, r#"{"names": ["a", "b"], "life-seconds": 3600}"#);
    /// # Ok::<(), hallpass_config::Problems>(())
    /// ```
    #[must_use]
    pub fn written(&self) -> Option<Secret> {
        let node = self.node?;
        mapping(node, self.keys).map(Secret::new)
    }
}

fn mapping(node: &Node, keys: &[Key]) -> Option<String> {
    let mut parts = Vec::new();
    for key in keys.iter().filter(|key| !key.is_not_ours()) {
        let Some(node) = node.get(key.name()) else {
            continue;
        };
        let text = value(node, key)?;
        if usual(node, key).as_ref() != Some(&text) {
            parts.push(format!("{}: {text}", quoted(key.name())));
        }
    }
    Some(format!("{{{}}}", parts.join(", ")))
}

/// What the default of `key` would be.
fn usual(like: &Node, key: &Key) -> Option<String> {
    let default = Node {
        value: Value::Scalar(Secret::new(key.default()?)),
        place: like.place.clone(),
    };
    value(&default, key)
}

fn value(node: &Node, key: &Key) -> Option<String> {
    match (key.kind(), &node.value) {
        (Kind::Flag, Value::Scalar(text)) => {
            Some(match text.expose().to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => "true".to_owned(),
                "false" | "no" | "off" | "0" => "false".to_owned(),
                other => quoted(other),
            })
        }
        (Kind::Whole { unit, .. }, Value::Scalar(text)) => Some(number(text.expose(), unit)),
        (Kind::Texts { .. }, Value::Scalar(text)) => {
            let texts: Vec<_> = separate(text.expose()).map(quoted).collect();
            Some(format!("[{}]", texts.join(", ")))
        }
        (Kind::Section(keys), Value::Map(_)) => mapping(node, keys),
        (Kind::Sections(keys), Value::List(items)) => {
            let items = items.iter().map(|item| mapping(item, keys));
            let items: Option<Vec<_>> = items.collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        _ => plain::text_of(node),
    }
}

fn number(text: &str, unit: &str) -> String {
    let number = match unit {
        "seconds" => duration::whole_units(text, "s"),
        "milliseconds" => duration::whole_units(text, "ms"),
        _ => text.parse().ok(),
    };
    number.map_or_else(|| quoted(text), |number: u64| number.to_string())
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    plain::quote(text, &mut out);
    out
}
