//! A part of a configuration that is read to see whether it can be used.

use crate::problem::Problem;
use crate::report::{EffectiveValue, LeftAlone, Located, Report};

/// What is said about a part that is read [within](crate::Section::within) it, apart from what is said about the rest of the configuration.
///
/// A part that is not about this program alone, such as rules that somebody else writes while the program runs, is read so: what is
/// wrong with it need not be wrong with everything.
///
/// ```
/// use hallpass_config::{Configuration, Findings, How, Key, Kind, Loader, Section, Trial};
///
/// struct Ports(Vec<u64>);
///
/// impl Configuration for Ports {
///     fn keys() -> Vec<Key> {
///         const PORT: &[Key] = &[Key::new("port", Kind::count(1, 65_535), "A port.").required()];
///         vec![Key::new("ports", Kind::Sections(PORT), "Ports.")]
///     }
///
///     fn read(root: &Section<'_>) -> Option<Self> {
///         let ports = root.sections("ports").into_iter().filter_map(|section| {
///             let trial = Trial::new();
///             let port = section.within(&trial).whole("port");
///             root.say(trial.into_findings(), How::Warned("it is left out"));
///             port
///         });
///         Some(Self(ports.collect()))
///     }
/// }
///
/// let yaml = "example: { ports: [ { port: 80 }, { port: many } ] }";
/// let loaded = Loader::new("example").text("text", yaml).load::<Ports>()?;
/// assert_eq!(loaded.settings().0, [80]);
/// assert!(loaded.warnings()[0].ends_with("it is left out"));
/// # Ok::<(), hallpass_config::Problems>(())
/// ```
#[derive(Debug, Default)]
pub struct Trial(Report);

/// What was said about a part that was read within a [`Trial`].
#[derive(Clone, Debug, Default)]
pub struct Findings {
    problems: Vec<Located>,
    values: Vec<EffectiveValue>,
    warnings: Vec<String>,
    left_alone: Vec<LeftAlone>,
}

/// What becomes of problems that were found within a [`Trial`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How<'t> {
    /// Problems of the configuration; values are shown as in effect, and warnings are warnings.
    Said,
    /// Warnings, each with this text behind it. The values are not in effect.
    Warned(&'t str),
    /// Notes of what was left alone, each with this text behind it, and so are warnings. The values are not in effect.
    LeftAlone(&'t str),
}

impl Trial {
    /// Nothing is said yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was said within it.
    #[must_use]
    pub fn into_findings(self) -> Findings {
        let (problems, values, warnings, left_alone) = self.0.into_parts();
        Findings {
            problems,
            values,
            warnings,
            left_alone,
        }
    }

    pub(crate) const fn report(&self) -> &Report {
        &self.0
    }
}

impl Findings {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.problems.is_empty()
    }

    /// What is wrong.
    pub fn problems(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().map(|located| &located.problem)
    }

    /// What probably does not do what it was written for.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The same without the values that it shows as in effect: for what somebody else can make as long as he likes.
    #[must_use]
    pub fn without_values(mut self) -> Self {
        self.values.clear();
        self
    }

    /// The same with notes of what was left alone in place of warnings.
    #[must_use]
    pub fn without_warnings(mut self) -> Self {
        let notes = self.warnings.drain(..).map(|text| LeftAlone {
            path: String::new(),
            text,
        });
        self.left_alone.extend(notes);
        self
    }

    /// Adds what was found elsewhere.
    pub fn add(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.values.extend(other.values);
        self.warnings.extend(other.warnings);
        self.left_alone.extend(other.left_alone);
    }

    /// Says it to `report`.
    pub(crate) fn say(self, report: &Report, how: How<'_>) {
        let is_said = how == How::Said;
        for located in self.problems {
            match how {
                How::Said => report.located(located),
                How::Warned(why) => report.warn(format!("{}; {why}", located.problem)),
                How::LeftAlone(why) => {
                    let path = located.problem.key_path.clone();
                    report.note(path, format!("{}; {why}", located.problem));
                }
            }
        }
        for warning in self.warnings {
            match how {
                How::Said | How::Warned(_) => report.warn(warning),
                How::LeftAlone(_) => report.note(String::new(), warning),
            }
        }
        for value in self.values.into_iter().filter(|_| is_said) {
            report.value(value.path, value.shown, value.origin);
        }
        for note in self.left_alone {
            report.note(note.path, note.text);
        }
    }
}
