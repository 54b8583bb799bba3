//! The fields of a rule.

use hallpass_config::Foreign;

use super::super::row::Row;
use super::numbers::thousandths;

/// Why keys of the dashboard change nothing.
pub(super) const OF_DASHBOARD: &str =
    "is the dashboard's own: which process it was written for, and when";

/// Where a key of a rule stands, or else the rule.
pub(super) fn at<'a>(rule: &Foreign<'a>, key: &str) -> Foreign<'a> {
    rule.get(key).unwrap_or_else(|| rule.clone())
}

/// Whether `key` is true, which is a problem.
pub(super) fn is_refused(rule: &Foreign<'_>, key: &str, message: &str) -> bool {
    let found = rule
        .get(key)
        .filter(|found| found.text().as_deref() == Some("true"));
    if let Some(found) = &found {
        found.problem(message);
    }
    found.is_some()
}

/// A whole number of a few.
pub(super) fn choice(
    rule: &Foreign<'_>,
    key: &str,
    default: u64,
    known: &[&str],
    message: &str,
) -> Option<u64> {
    let Some(found) = rule.get(key) else {
        return Some(default);
    };
    let text = found.text()?;
    let number = known
        .contains(&text.as_str())
        .then(|| text.parse().ok())
        .flatten();
    if number.is_none() {
        found.problem(message);
    }
    number
}

pub(super) fn whole(rule: &Foreign<'_>, key: &str, default: u64) -> Option<u64> {
    let Some(found) = rule.get(key) else {
        return Some(default);
    };
    let number = found.text()?.parse().ok();
    if number.is_none() {
        found.problem("must be a whole number");
    }
    number
}

/// Thousandths of a number that has to be there.
pub(super) fn number(rule: &Foreign<'_>, key: &str) -> Option<u64> {
    let Some(found) = rule.get(key) else {
        rule.problem(format!("has no `{key}`"));
        return None;
    };
    let number = thousandths(&found.text()?);
    if number.is_none() {
        found.problem("must be a number from 0 on");
    }
    number
}

pub(super) fn warn_of_strangers(rule: &Foreign<'_>, rows: &[Row]) {
    for (key, found) in rule.entries() {
        if !rows.iter().any(|row| row.theirs.eq_ignore_ascii_case(key)) {
            found.warn("is no key of such a rule that is known here, and has no effect");
        }
    }
}
