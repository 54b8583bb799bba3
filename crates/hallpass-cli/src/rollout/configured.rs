//! The step in a configuration: read from its text, and changed in its place.

use std::fmt;

use hallpass::config::{EditError, Secret, detect_prefix, with_values, written_value};
#[cfg(feature = "nacos")]
use hallpass::nacos::{properties_as_yaml, properties_with_values};

use serde::Serialize;

use super::plan::PlannedService;
use super::step::Step;

/// Where the step stands, below the root.
const SECTION: &str = "security.internal-jwt";
/// When the plan names no root and none is there.
const DEFAULT_PREFIX: &str = "hallpass";

/// The step that a text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Configured {
    Step(Step),
    /// It cannot be told from the text: a placeholder, or no mode.
    Unclear {
        /// From 1.
        line: usize,
    },
}

impl Configured {
    pub(crate) const fn step(self) -> Option<Step> {
        match self {
            Self::Step(step) => Some(step),
            Self::Unclear { .. } => None,
        }
    }
}

/// A configuration as it is kept.
#[derive(Debug)]
pub(crate) struct Written {
    text: Secret,
    prefix: String,
    is_properties: bool,
}

/// A key whose value has changed. Only modes and percentages: what else stands in their line may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Changed {
    pub(crate) key: String,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
}

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let (before, after) = (value(&self.before), value(&self.after));
        write!(f, "{}: {before} -> {after}", self.key)
    }
}

impl Written {
    /// The text of `name` (a file or a data id), which is that of `service`.
    pub(crate) fn new(name: &str, text: Secret, service: &PlannedService) -> Result<Self, String> {
        let is_properties = name.ends_with(".properties");
        let yaml = as_yaml(&text, is_properties)?;
        let prefix = service.prefix.clone();
        let found = || {
            detect_prefix(yaml.expose())
                .unwrap_or(DEFAULT_PREFIX)
                .to_owned()
        };
        Ok(Self {
            prefix: prefix.unwrap_or_else(found),
            text,
            is_properties,
        })
    }

    pub(crate) const fn text(&self) -> &Secret {
        &self.text
    }

    /// The step that it says; without a mode, everything is enforced.
    ///
    /// # Errors
    /// Why it cannot be read; nothing of it is repeated.
    pub(crate) fn step(&self) -> Result<Configured, String> {
        let yaml = as_yaml(&self.text, self.is_properties)?;
        let value = |path: &str| written_value(yaml.expose(), path).map_err(said);
        let section = value(&self.path(None))?;
        let (mode, percent) = match section.as_ref().map(|it| &it.text) {
            // A word in place of the section is its mode.
            Some(Some(_)) => (section, None),
            _ => (
                value(&self.path(Some("mode")))?,
                value(&self.path(Some("enforce-percent")))?,
            ),
        };
        let text = |it: &Option<hallpass::config::WrittenValue>| {
            let text = it.as_ref().and_then(|it| it.text.as_ref());
            text.map(|text| text.expose().trim().to_owned())
        };
        let line = mode.as_ref().or(percent.as_ref()).map_or(1, |it| it.line);
        let said_mode = match (&mode, text(&mode)) {
            (None, _) => Some("enforce".to_owned()),
            (Some(_), said) => said,
        };
        let said_percent = match (&percent, text(&percent)) {
            (None, _) => Some(100),
            (Some(_), said) => said.and_then(|it| it.parse().ok()).filter(|it| *it <= 100),
        };
        let step = said_mode.zip(said_percent).and_then(|(mode, percent)| {
            let mode = match mode.as_str() {
                "true" | "yes" | "on" => "enforce",
                "false" | "no" => "off",
                other => other,
            };
            Step::of(mode, percent)
        });
        Ok(step.map_or(Configured::Unclear { line }, Configured::Step))
    }

    /// The same configuration at another step, and what has changed.
    ///
    /// # Errors
    /// Why it cannot be changed; nothing of it is repeated.
    pub(crate) fn at(&self, step: Step) -> Result<(Self, Vec<Changed>), String> {
        let (section, mode, percent) = (
            self.path(None),
            self.path(Some("mode")),
            self.path(Some("enforce-percent")),
        );
        let number = match step {
            Step::Enforce(percent) => percent.to_string(),
            Step::Off | Step::Report => String::new(),
        };
        let both = format!("{{ mode: enforce, enforce-percent: {number} }}");
        let is_word = self.value(&section)?.is_some();
        let has_percent = self.value(&percent)?.is_some();
        let values: Vec<(&str, &str)> = match step {
            Step::Enforce(..100) if is_word => vec![(&section, &both)],
            _ if is_word => vec![(&section, step.mode())],
            Step::Enforce(100..) if !has_percent => vec![(&mode, step.mode())],
            Step::Enforce(_) => vec![(&mode, step.mode()), (&percent, &number)],
            Step::Off | Step::Report => vec![(&mode, step.mode())],
        };
        let text = changed(&self.text, &values, self.is_properties).map_err(said)?;
        let after = Self {
            text,
            prefix: self.prefix.clone(),
            is_properties: self.is_properties,
        };
        if after.step()? != Configured::Step(step) {
            return Err(said(EditError::NotInPlace));
        }
        let mut changes = Vec::new();
        for key in [section, mode, percent] {
            let (before, after) = (self.value(&key)?, after.value(&key)?);
            if before != after {
                changes.push(Changed { key, before, after });
            }
        }
        Ok((after, changes))
    }

    /// What a key says, where that is a mode or a percentage.
    fn value(&self, path: &str) -> Result<Option<String>, String> {
        let yaml = as_yaml(&self.text, self.is_properties)?;
        let value = written_value(yaml.expose(), path).map_err(said)?;
        let text = value.and_then(|it| it.text);
        Ok(text.map(|text| shown(text.expose())))
    }

    fn path(&self, key: Option<&str>) -> String {
        let prefix = &self.prefix;
        match key {
            Some(key) => format!("{prefix}.{SECTION}.{key}"),
            None => format!("{prefix}.{SECTION}"),
        }
    }
}

/// Anything else may be a secret in a wrong place.
fn shown(text: &str) -> String {
    let is_known = matches!(text, "off" | "report" | "enforce" | "true" | "false");
    match is_known || text.parse::<u8>().is_ok() {
        true => text.to_owned(),
        false => "(something else)".to_owned(),
    }
}

fn said(error: EditError) -> String {
    match error {
        EditError::NotInPlace | EditError::NotAValue => format!(
            "{error}: write `mode` and `enforce-percent` below `{SECTION}` by hand this once"
        ),
        other => other.to_string(),
    }
}

#[cfg(feature = "nacos")]
fn as_yaml(text: &Secret, is_properties: bool) -> Result<Secret, String> {
    Ok(match is_properties {
        true => Secret::new(properties_as_yaml(text.expose())),
        false => text.clone(),
    })
}

#[cfg(feature = "nacos")]
fn changed(
    text: &Secret,
    values: &[(&str, &str)],
    is_properties: bool,
) -> Result<Secret, EditError> {
    match is_properties {
        true => properties_with_values(text.expose(), values),
        false => with_values(text.expose(), values),
    }
}

#[cfg(not(feature = "nacos"))]
fn as_yaml(text: &Secret, is_properties: bool) -> Result<Secret, String> {
    match is_properties {
        true => Err("is a `.properties` file, and files are YAML here".to_owned()),
        false => Ok(text.clone()),
    }
}

#[cfg(not(feature = "nacos"))]
fn changed(
    text: &Secret,
    values: &[(&str, &str)],
    _is_properties: bool,
) -> Result<Secret, EditError> {
    with_values(text.expose(), values)
}

#[cfg(test)]
mod tests;
