//! A rule as it is listed.

use std::fmt;

use hallpass_config::Percent;
use http::Method;

use super::conditions::Conditions;
use super::host::HostPattern;
use super::mode::Mode;
use super::origin::RuleOrigin;
use super::pattern::PathPattern;
use super::place::RulePlace;
use super::rollout::Rollout;
use super::rule::Rule;

/// One line of the list that a service prints at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleLine {
    /// The method, or none when the rule is for all.
    pub method: Option<Method>,
    /// The host, or none when the rule is for all.
    pub host: Option<HostPattern>,
    /// The path pattern.
    pub pattern: PathPattern,
    /// What is asked.
    pub rule: Rule,
    /// What is demanded besides.
    pub conditions: Conditions,
    /// In which mode: its own, or that of the service. Where rules of several tables meet, the strictest mode that one
    /// of them names holds for all of them.
    pub mode: Mode,
    /// For how many of the callers, when the mode is `enforce`; the others are judged as in `report`.
    pub enforced: Percent,
    /// Whether the rule names its mode itself.
    pub names_its_mode: bool,
    /// Where it was written.
    pub origin: RuleOrigin,
    /// The file, line and column where it stands, of a rule of the configuration.
    pub place: RulePlace,
}

impl fmt::Display for RuleLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method.as_ref().map_or("*", Method::as_str))?;
        f.write_str(" ")?;
        if let Some(host) = &self.host {
            write!(f, "{host}")?;
        }
        write!(f, "{} {}", self.pattern, self.rule)?;
        if !self.conditions.are_none() {
            write!(f, " and {}", self.conditions)?;
        }
        let rollout = Rollout::new(self.mode, self.enforced);
        write!(f, " [{rollout}, {}]", self.origin)
    }
}
