//! Documents that count under some profiles only, as Spring has them: `spring.config.activate.on-profile`.

use std::collections::BTreeSet;

use crate::key_path;
use crate::node::{Node, Value};
use crate::placeholder::{self, References, Variables};
use crate::production;
use crate::relaxed;

/// Where a document says under which profiles it counts. The second is how it was written before Spring Boot 2.4.
const ON_PROFILE: [&str; 2] = ["spring.config.activate.on-profile", "spring.profiles"];
const ON_CLOUD_PLATFORM: &str = "spring.config.activate.on-cloud-platform";
const ACTIVE: &str = "spring.profiles.active";
const INCLUDE: &str = "spring.profiles.include";
const GROUP: &str = "spring.profiles.group";
/// Profiles that others bring with them are followed this far.
const MAX_PROFILES: usize = 256;

/// The profiles that are active.
#[derive(Debug, Default)]
pub(crate) struct Profiles {
    active: BTreeSet<String>,
    in_kubernetes: bool,
}

/// Whether a document counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It has no condition.
    Always,
    /// Its condition holds.
    Holds,
    /// Its condition does not hold.
    Waits,
    /// Its condition is not understood.
    Unclear,
}

impl Profiles {
    /// As Spring finds them: `SPRING_PROFILES_ACTIVE`, else `spring.profiles.active` of the last document without a
    /// condition that has it; and what those include or group.
    pub(crate) fn find(documents: &[&Node], variables: &Variables) -> Self {
        let unconditional: Vec<_> = documents
            .iter()
            .filter(|document| on_profile(document).is_none() && on_platform(document).is_none())
            .collect();
        let references = References::to_variables(variables);
        let said = |name: &str| {
            let path = key_path::parse(name);
            let nodes = unconditional.iter().rev();
            let node = nodes.filter_map(|node| relaxed::find(node, &path)).next();
            node.map_or_else(Vec::new, |node| names(node, &references))
        };
        let in_environment = placeholder::find(variables, ACTIVE)
            .filter(|names| !names.is_empty())
            .map(|names| separate(names.expose()));
        let mut waiting = in_environment.unwrap_or_else(|| said(ACTIVE));
        waiting.extend(said(INCLUDE));
        let mut active = BTreeSet::new();
        while let Some(profile) = waiting.pop() {
            if active.len() < MAX_PROFILES && active.insert(profile.clone()) {
                waiting.extend(said(&format!("{GROUP}.[{profile}]")));
            }
        }
        Self {
            active,
            in_kubernetes: production::in_kubernetes(variables),
        }
    }

    /// Whether one of them is called like production.
    pub(crate) fn name_production(&self) -> bool {
        self.active.iter().any(|name| production::is_name(name))
    }

    /// Whether `document` counts. Without an active profile no document with a condition does, `!dev` included: what
    /// was written for some stage must not be in effect by accident.
    pub(crate) fn standing(&self, document: &Node) -> Standing {
        let (on_profile, on_platform) = (on_profile(document), on_platform(document));
        if on_profile.is_none() && on_platform.is_none() {
            return Standing::Always;
        }
        let on_profile = on_profile.map(|node| {
            any(node, |text| self.evaluate(text)).map(|holds| holds && !self.active.is_empty())
        });
        let on_platform = on_platform.map(|node| {
            any(node, |name| match name.eq_ignore_ascii_case("kubernetes") {
                true => Some(self.in_kubernetes),
                false => None,
            })
        });
        match (
            on_profile.unwrap_or(Some(true)),
            on_platform.unwrap_or(Some(true)),
        ) {
            (Some(profile), Some(platform)) if profile && platform => Standing::Holds,
            (Some(_), Some(_)) => Standing::Waits,
            _ => Standing::Unclear,
        }
    }

    /// The value of an expression of names with `!`, `&`, `|` and parentheses; `None` if it is none.
    fn evaluate(&self, text: &str) -> Option<bool> {
        let mut rest = text.trim();
        let value = self.operation(&mut rest, 0)?;
        rest.is_empty().then_some(value)
    }

    /// Operands with one kind of operator between them: Spring wants parentheses to mix two.
    fn operation(&self, rest: &mut &str, depth: usize) -> Option<bool> {
        let mut value = self.operand(rest, depth)?;
        let operator = match rest.chars().next() {
            Some(operator @ ('&' | '|')) => operator,
            _ => return Some(value),
        };
        while let Some(after) = rest.strip_prefix(operator) {
            *rest = after.trim_start();
            let other = self.operand(rest, depth)?;
            value = match operator {
                '&' => value & other,
                _ => value | other,
            };
        }
        Some(value)
    }

    fn operand(&self, rest: &mut &str, depth: usize) -> Option<bool> {
        // Deep enough for what a person writes, and no text makes it deeper than the stack.
        if depth > 16 {
            return None;
        }
        if let Some(after) = rest.strip_prefix('!') {
            *rest = after.trim_start();
            return self.operand(rest, depth + 1).map(|value| !value);
        }
        if let Some(after) = rest.strip_prefix('(') {
            *rest = after.trim_start();
            let value = self.operation(rest, depth + 1)?;
            *rest = rest.strip_prefix(')')?.trim_start();
            return Some(value);
        }
        let end = rest.find(['&', '|', '!', '(', ')']).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        *rest = after;
        let name = name.trim();
        let is_name =
            !name.is_empty() && !name.contains(char::is_whitespace) && !name.contains("${");
        is_name.then(|| self.active.contains(name))
    }
}

/// Under which profiles a document counts.
fn on_profile(document: &Node) -> Option<&Node> {
    ON_PROFILE.iter().find_map(|name| {
        let node = relaxed::find(document, &key_path::parse(name))?;
        // `spring.profiles.active` stands in a mapping of the same name.
        (!matches!(node.value, Value::Map(_) | Value::Null)).then_some(node)
    })
}

/// On which platforms it counts.
fn on_platform(document: &Node) -> Option<&Node> {
    relaxed::find(document, &key_path::parse(ON_CLOUD_PLATFORM)).filter(|node| !node.is_null())
}

/// Whether one of the texts of `node` holds; `None` if it or one of them is not understood.
fn any(node: &Node, holds: impl Fn(&str) -> Option<bool>) -> Option<bool> {
    let values: Option<Vec<_>> = texts(node)?.iter().map(|text| holds(text)).collect();
    Some(values?.contains(&true))
}

fn names(node: &Node, references: &References<'_>) -> Vec<String> {
    let texts = texts(node).unwrap_or_default();
    let filled = texts.into_iter().filter_map(|text| {
        let filled = placeholder::expand(&text, references).ok()?;
        Some(separate(filled.expose()))
    });
    filled.flatten().collect()
}

/// The texts of a list, or of one value with commas; `None` if it is something else.
fn texts(node: &Node) -> Option<Vec<String>> {
    match &node.value {
        Value::Scalar(text) if text.expose().contains("${") => Some(vec![text.expose().to_owned()]),
        Value::Scalar(text) => Some(separate(text.expose())),
        Value::List(items) => items.iter().map(text_of).collect(),
        _ => None,
    }
}

fn text_of(node: &Node) -> Option<String> {
    match &node.value {
        Value::Scalar(text) => Some(text.expose().trim().to_owned()),
        _ => None,
    }
}

fn separate(text: &str) -> Vec<String> {
    let names = text.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(active: &[&str]) -> Profiles {
        Profiles {
            active: active.iter().map(|&name| name.to_owned()).collect(),
            in_kubernetes: false,
        }
    }

    #[test]
    fn an_expression_means_what_spring_reads_in_it() {
        let profiles = with(&["dev", "eu-west"]);
        for (text, value) in [
            ("dev", Some(true)),
            ("prod", Some(false)),
            ("Dev", Some(false)),
            ("!prod", Some(true)),
            ("! dev", Some(false)),
            ("dev & eu-west", Some(true)),
            ("dev&prod", Some(false)),
            ("prod | dev", Some(true)),
            ("prod | (dev & !test)", Some(true)),
            ("!(dev | prod)", Some(false)),
            ("(((dev)))", Some(true)),
            ("dev & prod | eu-west", None),
            ("dev prod", None),
            ("dev &", None),
            ("(dev", None),
            ("dev)", None),
            ("", None),
            ("${STAGE}", None),
        ] {
            assert_eq!(profiles.evaluate(text), value, "{text}");
        }
        assert_eq!(profiles.evaluate(&"(".repeat(100_000)), None);
        assert_eq!(profiles.evaluate(&"!".repeat(100_000)), None);
    }
}
