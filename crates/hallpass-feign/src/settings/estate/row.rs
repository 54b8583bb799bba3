//! One key of another product, and what it means here.

use hallpass_config::{Adopted, Foreign};

/// One key of another product, and what it means here. The tables of docs/resilience.md have one line for each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) theirs: &'static str,
    pub(super) means: Means,
}

/// What a key means here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Means {
    /// It is our key, its value in this form.
    Ours(&'static str, Form),
    /// Together with other keys it is ours: these, in words.
    Part(&'static str),
    /// It changes nothing about a call here, for this reason.
    Nothing(&'static str),
    /// It would change something that cannot be had here: what, and what to do. The message of the problem.
    Refused(&'static str),
}

/// How a value is written there and here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// The same.
    Same,
    /// A percentage with a point, here a whole one.
    Percent,
    /// A number with a point, here a whole one.
    Whole,
}

/// Why a percentage with something behind the point is none here.
const NOT_WHOLE: &str = "must be a whole percentage here, from 1 to 100: write the nearest one, or say it by our own key";

impl Row {
    pub(super) const fn ours(theirs: &'static str, key: &'static str) -> Self {
        let means = Means::Ours(key, Form::Same);
        Self { theirs, means }
    }

    pub(super) const fn percent(theirs: &'static str, key: &'static str) -> Self {
        let means = Means::Ours(key, Form::Percent);
        Self { theirs, means }
    }

    pub(super) const fn part(theirs: &'static str, ours: &'static str) -> Self {
        let means = Means::Part(ours);
        Self { theirs, means }
    }

    pub(super) const fn nothing(theirs: &'static str, why: &'static str) -> Self {
        let means = Means::Nothing(why);
        Self { theirs, means }
    }

    pub(super) const fn refused(theirs: &'static str, message: &'static str) -> Self {
        let means = Means::Refused(message);
        Self { theirs, means }
    }

    /// Puts what stands at `found` under our key, or says why not.
    pub(super) fn take(&self, found: &Foreign<'_>, into: &mut Adopted) {
        match self.means {
            Means::Ours(key, form) => put(found, key, form, into),
            Means::Part(_) => {}
            Means::Nothing(why) => found.left_alone(why),
            Means::Refused(message) => found.problem(message),
        }
    }
}

/// Puts one value under our key.
pub(super) fn put(found: &Foreign<'_>, key: &str, form: Form, into: &mut Adopted) {
    let Some(text) = found.text() else {
        return;
    };
    match form {
        Form::Same => into.put(key, text, found),
        Form::Percent | Form::Whole => match whole(&text) {
            Some(text) => into.put(key, text, found),
            None if form == Form::Percent => found.problem(NOT_WHOLE),
            None => found.problem("must be a whole number here"),
        },
    }
}

/// `50.0` as `50`; `None` for what is no whole number.
pub(super) fn whole(text: &str) -> Option<&str> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_whole = !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit());
    (is_whole && fraction.bytes().all(|byte| byte == b'0')).then_some(whole)
}
