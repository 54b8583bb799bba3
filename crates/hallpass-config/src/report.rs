//! Gathers what is wrong and what is in effect while a configuration is read.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::Path;

use zeroize::Zeroizing;

use crate::files::FileError;
use crate::place::{Place, Position};
use crate::problem::{Problem, Problems};
use crate::sources::Sources;

/// Where a value comes from that no source has set.
pub(crate) const DEFAULT_ORIGIN: &str = "default";
/// The same of one that follows from another value, whose key comes after this.
pub(crate) const INHERITED_ORIGIN: &str = "inherited from ";
/// Before what was noted, to tell them apart.
const WARNING: char = 'w';
const NOTE: char = 'n';

/// What is found on the way through a configuration.
#[derive(Debug, Default)]
pub(crate) struct Report {
    problems: RefCell<Vec<Located>>,
    known: RefCell<HashSet<Problem>>,
    values: RefCell<Vec<EffectiveValue>>,
    warnings: RefCell<Vec<String>>,
    left_alone: RefCell<Vec<LeftAlone>>,
    /// The texts of both, so that each is said once however many there are.
    noted: RefCell<HashSet<String>>,
    /// Roots of other programs that are read here.
    adopted: RefCell<HashSet<String>>,
    sources: RefCell<Sources>,
    opens_no_file: bool,
}

/// Something that was not read.
#[derive(Clone, Debug)]
pub(crate) struct LeftAlone {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// What is worth saying of a configuration that can be used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    /// What probably does not do what it was written for.
    pub(crate) warnings: Vec<String>,
    /// What was not read, and why.
    pub(crate) left_alone: Vec<String>,
}

/// A problem, and where it stands among others.
#[derive(Clone, Debug)]
pub(crate) struct Located {
    rank: usize,
    position: Option<Position>,
    pub(crate) problem: Problem,
}

/// A value in effect: the text of a secret is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EffectiveValue {
    pub(crate) path: String,
    pub(crate) shown: String,
    pub(crate) origin: String,
}

impl Report {
    /// One whose readers open no file.
    pub(crate) fn without_files() -> Self {
        Self {
            opens_no_file: true,
            ..Self::default()
        }
    }

    /// Notes a problem. `message` must not hold a value.
    pub(crate) fn problem(&self, place: &Place, path: &str, message: impl Into<String>) {
        self.suggest(place, path, message, None);
    }

    /// Notes a problem together with the known name that may have been meant.
    pub(crate) fn suggest(
        &self,
        place: &Place,
        path: &str,
        message: impl Into<String>,
        suggestion: Option<&str>,
    ) {
        let position = place.position();
        let problem = Problem {
            origin: place.source_name().to_owned(),
            line: position.map(|position| position.line),
            column: position.map(|position| position.column),
            key_path: path.to_owned(),
            message: message.into(),
            suggestion: suggestion.map(str::to_owned),
        };
        self.located(Located {
            rank: place.rank(),
            position,
            problem,
        });
    }

    /// Notes a problem that has its place already.
    pub(crate) fn located(&self, located: Located) {
        // An inherited value is read by each who inherits it, but it is wrong only once.
        if self.known.borrow_mut().insert(located.problem.clone()) {
            self.problems.borrow_mut().push(located);
        }
    }

    /// Notes a value in effect.
    pub(crate) fn value(&self, path: String, shown: impl Into<String>, origin: impl Into<String>) {
        self.values.borrow_mut().push(EffectiveValue {
            path,
            shown: shown.into(),
            origin: origin.into(),
        });
    }

    /// Notes what probably does not do what it was written for. `text` must not hold a value.
    pub(crate) fn warn(&self, text: String) {
        // What several have inherited is said once.
        if self.is_new(WARNING, &text) {
            self.warnings.borrow_mut().push(text);
        }
    }

    /// Notes that what stands at `path` was not read.
    pub(crate) fn left_alone(&self, place: &Place, path: &str, why: &str) {
        self.note(path.to_owned(), format!("{place}: {path}: {why}"));
    }

    /// The same, by a text that has its place already.
    pub(crate) fn note(&self, path: String, text: String) {
        if self.is_new(NOTE, &text) {
            self.left_alone.borrow_mut().push(LeftAlone { path, text });
        }
    }

    fn is_new(&self, what: char, text: &str) -> bool {
        self.noted.borrow_mut().insert(format!("{what}{text}"))
    }

    /// Notes that the whole root `path` of another program is read here after all.
    pub(crate) fn adopt(&self, path: &str) {
        self.adopted.borrow_mut().insert(path.to_owned());
    }

    /// What was noted so far; it is forgotten here.
    pub(crate) fn take_notes(&self) -> Notes {
        let adopted = self.adopted.take();
        self.noted.take();
        let left_alone = self.left_alone.take().into_iter();
        let left_alone = left_alone.filter(|it| !adopted.contains(&it.path));
        Notes {
            warnings: self.warnings.take(),
            left_alone: left_alone.map(|it| it.text).collect(),
        }
    }

    /// Reads a file of at most `max_bytes` as a source of the configuration.
    pub(crate) fn read_source(
        &self,
        path: &Path,
        max_bytes: usize,
    ) -> Result<Zeroizing<Vec<u8>>, FileError> {
        match self.opens_no_file {
            true => Err(FileError::NotRead),
            false => self.sources.borrow_mut().read(path, max_bytes),
        }
    }

    /// The files that were read so far; they are forgotten here.
    pub(crate) fn take_sources(&self) -> Sources {
        self.sources.take()
    }

    /// The values in effect, or all problems in the order of sources, lines and columns.
    pub(crate) fn finish(self) -> Result<Vec<EffectiveValue>, Problems> {
        if self.is_empty() {
            return Ok(self.values.into_inner());
        }
        Err(self.into_problems())
    }

    /// Problems, values, warnings, and what was left alone.
    pub(crate) fn into_parts(
        self,
    ) -> (
        Vec<Located>,
        Vec<EffectiveValue>,
        Vec<String>,
        Vec<LeftAlone>,
    ) {
        (
            self.problems.into_inner(),
            self.values.into_inner(),
            self.warnings.into_inner(),
            self.left_alone.into_inner(),
        )
    }

    /// Whether nothing is wrong so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.problems.borrow().is_empty()
    }

    /// The problems alone.
    pub(crate) fn into_problems(self) -> Problems {
        let mut problems = self.problems.into_inner();
        problems.sort_by_key(|located| (located.rank, located.position));
        let problems = problems.into_iter().map(|located| located.problem);
        Problems::new(problems.collect())
    }
}
