//! One key of another product, and what it means here.

use hallpass_config::{Adopted, Foreign, Trial};

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
    /// It changes something there and nothing here, and a service can be used without: what, and what to write. The message of a warning.
    Warned(&'static str),
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

/// What becomes of a number with something behind the point.
const ROUNDED: &str = "is a whole number here: the nearest one counts, and 1 at least";
const ROUNDED_UP: &str = "is a whole number here: the next one counts";

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

    pub(super) const fn warned(theirs: &'static str, message: &'static str) -> Self {
        let means = Means::Warned(message);
        Self { theirs, means }
    }

    /// Puts what stands at `found` under our key, or says why not.
    pub(super) fn take(&self, found: &Foreign<'_>, into: &mut Adopted) {
        match self.means {
            Means::Ours(key, form) => put(found, key, form, into),
            Means::Part(_) => {}
            Means::Nothing(why) => found.left_alone(why),
            Means::Refused(message) => found.problem(message),
            Means::Warned(message) => found.warn(message),
        }
    }
}

/// Puts one value under our key.
pub(super) fn put(found: &Foreign<'_>, key: &str, form: Form, into: &mut Adopted) {
    let Some(text) = found.text() else {
        return;
    };
    let is_rounded = match form {
        Form::Same => {
            into.put(key, bounded(found, key, text), found);
            return;
        }
        Form::Percent => parts(&text).map(|it| (nearest(it).max(1), it.1, ROUNDED)),
        Form::Whole => parts(&text).map(|it| (up(it), it.1, ROUNDED_UP)),
    };
    match is_rounded {
        Some((number, fraction, message)) => {
            if fraction > 0 {
                found.warn(message);
            }
            put_number(found, key, number, into);
        }
        None => found.problem("must be a number"),
    }
}

/// The largest value of a key of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Most {
    Count(u64),
    Milliseconds(u64),
}

const MOST: &[(&str, Most)] = &[
    ("deadline-ms", Most::Milliseconds(3_600_000)),
    (
        "service.breaker.slow-call-ms",
        Most::Milliseconds(3_600_000),
    ),
    ("service.breaker.open-ms", Most::Milliseconds(3_600_000)),
    (
        "service.breaker.half-open-wait-ms",
        Most::Milliseconds(3_600_000),
    ),
    ("service.breaker.half-open-calls", Most::Count(1_000)),
    ("service.breaker.minimum-calls", Most::Count(10_000)),
    ("service.breaker.window", Most::Count(10_000)),
    ("service.breaker.window-seconds", Most::Count(3_600)),
    ("service.bulkhead.max-concurrent", Most::Count(100_000)),
    ("service.bulkhead.max-wait-ms", Most::Milliseconds(60_000)),
    ("retry.max-attempts", Most::Count(10)),
    ("retry.base-ms", Most::Milliseconds(60_000)),
    ("retry.max-wait-ms", Most::Milliseconds(60_000)),
    ("retry.multiplier", Most::Count(10)),
];

const BOUNDED: &str = "is more than can be had here: the most that can be counts";

/// What is written there, or the most that our key takes: so much is as good as no limit, and no reason not to start.
fn bounded(found: &Foreign<'_>, key: &str, text: String) -> String {
    let Some((_, most)) = MOST.iter().find(|(known, _)| *known == key) else {
        return text;
    };
    let (value, most) = match *most {
        Most::Count(most) => (text.parse().ok(), most),
        Most::Milliseconds(most) => {
            // Whoever reads our key says what is wrong with it.
            let span = found.within(&Trial::new()).duration();
            let value = span.map(|it| u64::try_from(it.as_millis()).unwrap_or(u64::MAX));
            (value, most)
        }
    };
    match value {
        Some(value) => at_most(found, value, most).map_or(text, |it| it.to_string()),
        None => text,
    }
}

/// The most, where `value` is more; which is warned of.
pub(super) fn at_most(found: &Foreign<'_>, value: u64, most: u64) -> Option<u64> {
    let is_more = value > most;
    if is_more {
        found.warn(BOUNDED);
    }
    is_more.then_some(most)
}

/// Puts a number under our key, or the most that it takes.
pub(super) fn put_number(found: &Foreign<'_>, key: &str, value: u64, into: &mut Adopted) {
    let most = MOST.iter().find(|(known, _)| *known == key);
    let value = match most {
        Some((_, Most::Count(most) | Most::Milliseconds(most))) => {
            at_most(found, value, *most).unwrap_or(value)
        }
        None => value,
    };
    into.put(key, value.to_string(), found);
}

/// The whole and the thousandths of `33.3`, without what is smaller; `None` for what is no number.
fn parts(text: &str) -> Option<(u64, u64)> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000".chars()).take(3).collect();
    Some((whole.parse().ok()?, fraction.parse().ok()?))
}

const fn nearest((whole, thousandths): (u64, u64)) -> u64 {
    whole.saturating_add((thousandths >= 500) as u64)
}

const fn up((whole, thousandths): (u64, u64)) -> u64 {
    whole.saturating_add((thousandths > 0) as u64)
}

/// Whether two spellings are one word, as Spring has it for keys and for the names of choices.
pub(super) fn is_same(one: &str, other: &str) -> bool {
    let letters = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    letters(one) == letters(other)
}

/// Which of `known` stands at `found`, whatever its spelling; what is none is a problem with this message.
pub(super) fn choice<T: Copy>(
    found: &Foreign<'_>,
    known: &[(&str, T)],
    message: &str,
) -> Option<T> {
    let text = found.text()?;
    let chosen = known.iter().find(|(name, _)| is_same(name, &text));
    if chosen.is_none() {
        found.problem(message);
    }
    chosen.map(|(_, value)| *value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_a_point_become_whole_ones() {
        for (text, near, next) in [
            ("33.3", 33, 34),
            ("1.5", 2, 2),
            ("50.0", 50, 50),
            ("80", 80, 80),
            ("0.0004", 0, 0),
        ] {
            let parts = parts(text).unwrap();
            assert_eq!((nearest(parts), up(parts)), (near, next), "{text}");
        }
        for text in ["", ".5", "-1", "1e3", "1.x", "99999999999999999999"] {
            assert_eq!(parts(text), None, "{text}");
        }
        assert!(is_same("TIME_BASED", "time-based"));
    }
}
