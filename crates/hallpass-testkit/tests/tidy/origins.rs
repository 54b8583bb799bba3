//! `docs/origins.md`: each line of the two source documents has a place that exists and tests that exist.

use std::collections::BTreeSet;

use crate::assert_tidy;
use crate::standards::tests;
use crate::tree::{self, SourceFile};

const PAGE: &str = "docs/origins.md";
/// How many lines the plan and the article have there.
const LINES: [(char, usize); 2] = [('P', 62), ('A', 27)];
/// What a path of the tree begins with.
const FOLDERS: [&str; 6] = [
    "crates/",
    "deploy/",
    "docs/",
    "examples/",
    "scripts/",
    "bench/",
];

#[test]
fn each_line_of_the_source_documents_has_its_place_and_its_test() {
    let page = tree::file(PAGE).unwrap();
    let known = tests(&tree::files(&[".rs"]).unwrap());
    let exists = |path: &str| tree::root().join(path).exists();
    let rows = rows(&page);
    let mut problems = unfounded(&rows, &known, exists);
    for (letter, lines) in LINES {
        let numbers = rows
            .iter()
            .filter_map(|row| row.number.strip_prefix(letter));
        let numbers: Vec<usize> = numbers.map(|number| number.parse().unwrap()).collect();
        if numbers != (1..=lines).collect::<Vec<_>>() {
            problems.push(format!(
                "{PAGE}: {letter}1 to {letter}{lines} stand there once each, in order: {numbers:?}"
            ));
        }
    }
    assert_tidy(&problems);
}

#[test]
fn a_line_without_a_place_or_a_test_and_one_whose_test_is_gone_are_found() {
    let table = |place: &str, tests: &str| {
        let text = format!("| P1 | a | {place} | {tests} |\n");
        rows(&SourceFile::new(PAGE, &text))
    };
    let known = BTreeSet::from(["is_there".to_owned()]);
    let count = |place: &str, tests: &str| {
        unfounded(&table(place, tests), &known, |path| path == "crates/a.rs").len()
    };
    assert_eq!(count("`crates/a.rs`", "`is_there`"), 0);
    assert_eq!(
        count("[a.md](a.md)", "`is_there`"),
        0,
        "links are checked elsewhere"
    );
    assert_eq!(count("`crates/b.rs`", "`is_there`"), 1);
    assert_eq!(count("nowhere", "`is_there`"), 1);
    assert_eq!(count("`crates/a.rs`", "`is_gone`"), 1);
    assert_eq!(count("`crates/a.rs`", "by hand"), 1);
}

struct Row {
    number: String,
    place: String,
    tests: Vec<String>,
}

fn rows(page: &SourceFile) -> Vec<Row> {
    let lines = page.text.lines().filter_map(|line| line.strip_prefix("| "));
    let cells = lines.map(|line| line.trim_end_matches(" |").split(" | ").collect::<Vec<_>>());
    let is_row = |cells: &Vec<&str>| {
        let number = cells.first().and_then(|cell| cell.get(1..));
        number.is_some_and(|number| number.parse::<usize>().is_ok())
    };
    cells
        .filter(is_row)
        .map(|cells| Row {
            number: cells[0].to_owned(),
            place: cells.get(2).copied().unwrap_or_default().to_owned(),
            tests: quoted(cells.get(3).copied().unwrap_or_default()),
        })
        .collect()
}

fn quoted(cell: &str) -> Vec<String> {
    let texts = cell.split('`').skip(1).step_by(2);
    texts.map(str::to_owned).collect()
}

fn unfounded(rows: &[Row], tests: &BTreeSet<String>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for row in rows {
        let number = &row.number;
        let is_path = |text: &&String| FOLDERS.iter().any(|folder| text.starts_with(folder));
        let texts = quoted(&row.place);
        let paths: Vec<_> = texts.iter().filter(is_path).collect();
        let says_where = !paths.is_empty()
            || row.place.contains("](")
            || row.place.contains("the same")
            || row.place.contains("this page")
            || texts.iter().any(|text| text.starts_with("./"));
        if !says_where {
            problems.push(format!("{PAGE}: {number} names no place"));
        }
        let gone = paths.iter().filter(|path| !exists(path));
        problems.extend(gone.map(|path| format!("{PAGE}: {number}: there is no {path}")));
        if row.tests.is_empty() {
            problems.push(format!("{PAGE}: {number}: no test holds this"));
        }
        let unknown = row.tests.iter().filter(|test| !tests.contains(*test));
        problems
            .extend(unknown.map(|test| format!("{PAGE}: {number}: no test is called `{test}`")));
    }
    problems
}
