//! What a check came to.

use serde::Serialize;

use super::check::Check;

/// What to do about a file that is not read in time.
pub(super) const SLOW_FILE: &str =
    "look at the disk, or at the other end of a pipe; or give more time with --timeout";

/// How it came out; the worst one last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// Not looked at, for a reason that is said.
    Skipped,
    /// As it should be.
    Ok,
    /// It works, and will not for ever, or not in every case.
    Warning,
    /// It does not work.
    Failure,
}

impl Outcome {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failure => "failure",
        }
    }
}

/// One thing that a check has found: a sentence, and for what is wrong another one that says what to do. No secret is in it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Finding {
    #[serde(skip)]
    pub(super) check: Check,
    pub(super) outcome: Outcome,
    pub(super) says: String,
    #[serde(rename = "do")]
    pub(super) advice: Option<String>,
    /// What counts was not looked at, so that nobody may call all of it sound.
    #[serde(skip)]
    pub(super) is_untried: bool,
}

impl Finding {
    pub(super) fn ok(check: Check, says: impl Into<String>) -> Self {
        Self::new(check, Outcome::Ok, says.into(), None)
    }

    pub(super) fn skipped(check: Check, why: impl Into<String>) -> Self {
        Self::new(check, Outcome::Skipped, why.into(), None)
    }

    pub(super) fn warning(
        check: Check,
        says: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, Outcome::Warning, says.into(), Some(advice.into()))
    }

    /// A warning of something that counts and could not be looked at.
    pub(super) fn untried(
        check: Check,
        says: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self {
            is_untried: true,
            ..Self::warning(check, says, advice)
        }
    }

    pub(super) fn failure(
        check: Check,
        says: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Self::new(check, Outcome::Failure, says.into(), Some(advice.into()))
    }

    /// The same reason for several checks that were not looked at.
    pub(super) fn skipped_all(checks: &[Check], why: &str) -> Vec<Self> {
        checks.iter().map(|it| Self::skipped(*it, why)).collect()
    }

    fn new(check: Check, outcome: Outcome, says: String, advice: Option<String>) -> Self {
        Self {
            check,
            outcome,
            says,
            advice,
            is_untried: false,
        }
    }
}
