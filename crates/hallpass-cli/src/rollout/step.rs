//! The steps of a roll-out, and the phases that they belong to.

use std::fmt;

use serde::{Serialize, Serializer};

/// How far a service is rolled out; the stricter is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// `mode: off`.
    Off,
    /// `mode: report`.
    Report,
    /// `mode: enforce` for so many percent of the callers, from 1 to 100.
    Enforce(u8),
}

/// What operators sign for together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    /// Callers are counted, and nobody is denied.
    Report,
    /// Some of the callers are denied what they lack.
    Percentages,
    /// All of them are.
    Enforce,
}

impl Step {
    /// Everybody.
    pub(crate) const LAST: Self = Self::Enforce(100);

    /// What a mode and its percentage mean; nothing for a mode that there is none of.
    pub(crate) fn of(mode: &str, percent: u64) -> Option<Self> {
        match (mode, percent) {
            ("off", _) => Some(Self::Off),
            // Enforced for nobody is that too.
            ("report", _) | ("enforce", 0) => Some(Self::Report),
            ("enforce", percent) => u8::try_from(percent.min(100)).ok().map(Self::Enforce),
            _ => None,
        }
    }

    /// As plans write it: `off`, `report`, `enforce`, or a percentage.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        const SAY: &str = "must be `off`, `report`, a percentage from 1 to 100, or `enforce`";
        let number = text.trim_end_matches('%').trim_end();
        match (text, number.parse()) {
            ("off", _) => Ok(Self::Off),
            ("report", _) => Ok(Self::Report),
            ("enforce", _) => Ok(Self::LAST),
            (_, Ok(percent @ 1..=100)) => Ok(Self::Enforce(percent)),
            _ => Err(SAY),
        }
    }

    /// As it is shown, and kept in records.
    pub(crate) fn shown(text: &str) -> Option<Self> {
        Self::parse(text.strip_prefix("enforce ").unwrap_or(text)).ok()
    }

    /// The value of `mode`.
    pub(crate) const fn mode(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Report => "report",
            Self::Enforce(_) => "enforce",
        }
    }

    /// The phase that it is part of; none for what is before the first.
    pub(crate) const fn phase(self) -> Option<Phase> {
        match self {
            Self::Off => None,
            Self::Report => Some(Phase::Report),
            Self::Enforce(100..) => Some(Phase::Enforce),
            Self::Enforce(_) => Some(Phase::Percentages),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enforce(percent @ ..100) => write!(f, "enforce {percent} %"),
            other => f.write_str(other.mode()),
        }
    }
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Phase {
    /// In file names.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Percentages => "percentages",
            Self::Enforce => "enforce",
        }
    }

    /// For people.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Report => "callers are counted, nobody is denied",
            Self::Percentages => "what fails is denied for some of the callers",
            Self::Enforce => "what fails is denied for all callers",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_shown_and_ordered_as_they_grow() {
        let steps = ["off", "report", "1", "10 %", "50%", "enforce"];
        let steps: Vec<_> = steps.iter().map(|it| Step::parse(it).unwrap()).collect();
        assert!(steps.is_sorted());
        let shown: Vec<_> = steps.iter().map(Step::to_string).collect();
        assert_eq!(
            shown,
            [
                "off",
                "report",
                "enforce 1 %",
                "enforce 10 %",
                "enforce 50 %",
                "enforce"
            ]
        );
        let again: Vec<_> = shown.iter().filter_map(|it| Step::shown(it)).collect();
        assert_eq!(again, steps);
        assert_eq!(Step::parse("100"), Ok(Step::LAST));
        for bad in ["", "0", "101", "-1", "Report", "enforce 10", "1.5"] {
            assert!(Step::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn enforced_for_nobody_is_reported_and_the_percentage_of_another_mode_means_nothing() {
        assert_eq!(Step::of("enforce", 0), Some(Step::Report));
        assert_eq!(Step::of("enforce", 100), Some(Step::LAST));
        assert_eq!(Step::of("report", 50), Some(Step::Report));
        assert_eq!(Step::of("off", 50), Some(Step::Off));
        assert_eq!(Step::of("permit", 50), None);
    }
}
