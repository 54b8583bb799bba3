//! The house rules that the compiler does not check, each checked against the tree itself and against a
//! sample that breaks it, so that a check that checks nothing is noticed.
//!
//! The rules and their reasons are in `CONTRIBUTING.md`.

mod alert_labels;
mod alerts;
mod banned;
// The lints that spare tests look for the attribute, also in a test binary.
#[cfg(test)]
mod book;
#[cfg(test)]
mod changelog;
mod circles;
mod dependencies;
mod documents;
mod lessons;
mod matrix;
mod metric_names;
mod modules;
#[cfg(test)]
mod origins;
mod page_blocks;
mod paths;
mod proxies;
mod runbook_places;
mod sizes;
mod standards;
mod translations;
mod tree;
mod unused;
mod words;

/// Fails with all problems at once, one per line, when there are any.
#[track_caller]
fn assert_tidy(problems: &[String]) {
    assert!(
        problems.is_empty(),
        "{} problem(s):\n{}",
        problems.len(),
        problems.join("\n")
    );
}
