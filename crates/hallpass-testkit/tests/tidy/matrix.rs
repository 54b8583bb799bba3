//! The table of `docs/context.md` that says where an identity is found, and the tests that show it, name each other.

use std::collections::BTreeSet;

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

const PAGE: &str = "docs/context.md";
const HEADING: &str = "## Where it is found";
/// Where each test is a place at which code may run.
const FOLDER: &str = "crates/hallpass-testkit/tests/e2e/identity/";
const FILES: [&str; 3] = ["found.rs", "not_found.rs", "elsewhere.rs"];

#[test]
fn the_table_of_places_and_the_tests_of_places_agree() {
    let page = tree::file(PAGE).unwrap();
    let sources = tree::files(&[".rs"]).unwrap();
    let places = sources.iter().filter(|file| {
        FILES
            .iter()
            .any(|name| file.path == format!("{FOLDER}{name}"))
    });
    let places: BTreeSet<_> = places.flat_map(tests).collect();
    let all: BTreeSet<_> = sources.iter().flat_map(tests).collect();
    assert!(places.len() > 25, "{places:?}");
    assert_tidy(&differences(&named(&page.text), &places, &all));
}

#[test]
fn a_place_without_a_row_and_a_row_without_a_test_are_found() {
    let page = format!("{HEADING}\n| a | yes | b | `in_one`, `gone` |\n## Else\n| `out_of_it` |\n");
    let file = SourceFile::new(
        "a.rs",
        "#[tokio::test]\nasync fn in_one() {}\n#[tokio::test(flavor = \"x\")]\nasync fn in_two() {}\nfn helper() {}\n",
    );
    let tests: BTreeSet<_> = tests(&file).into_iter().collect();
    let problems = differences(&named(&page), &tests, &tests);
    assert_eq!(
        problems,
        [
            "docs/context.md: no row names the test `in_two`",
            "docs/context.md: no test is called `gone`"
        ]
    );
}

fn differences(
    named: &BTreeSet<String>,
    places: &BTreeSet<String>,
    all: &BTreeSet<String>,
) -> Vec<String> {
    let missing = places.difference(named);
    let missing = missing.map(|name| format!("{PAGE}: no row names the test `{name}`"));
    let unknown = named.difference(all);
    missing
        .chain(unknown.map(|name| format!("{PAGE}: no test is called `{name}`")))
        .collect()
}

/// The names in the last column of the rows below the heading.
fn named(page: &str) -> BTreeSet<String> {
    let section = page.lines().skip_while(|line| *line != HEADING).skip(1);
    let section = section.take_while(|line| !line.starts_with("## "));
    let cells = section.filter_map(|line| line.trim_end_matches('|').rsplit_once('|'));
    cells
        .flat_map(|(_, cell)| cell.split('`').skip(1).step_by(2))
        .map(str::to_owned)
        .collect()
}

/// The functions that are tests.
fn tests(file: &SourceFile) -> Vec<String> {
    let marked = file.text.split("test").skip(1);
    let marked = marked.filter_map(|rest| {
        let rest = rest.strip_prefix(']').or_else(|| {
            let (_, rest) = rest.strip_prefix('(')?.split_once(")]")?;
            Some(rest)
        })?;
        let rest = rest.trim_start();
        rest.strip_prefix("async fn ").or(rest.strip_prefix("fn "))
    });
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    marked
        .map(|rest| rest.chars().take_while(|c| is_name(*c)).collect())
        .collect()
}
