//! `docs/rfc.md`: what it names exists, and each standard that anything else names has its place there.

use std::collections::BTreeSet;

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

const PAGE: &str = "docs/rfc.md";
/// What stands behind `RFC` is a number of four digits.
const DIGITS: usize = 4;

#[test]
fn each_row_of_the_standards_has_files_and_tests_that_exist() {
    let page = tree::file(PAGE).unwrap();
    let sources = tree::files(&[".rs"]).unwrap();
    let tests = tests(&sources);
    let rows = rows(&page);
    assert!(rows.len() > 80, "{} rows", rows.len());
    let exists = |path: &str| tree::root().join("crates").join(path).exists();
    assert_tidy(&unfounded(&rows, &tests, exists));
}

#[test]
fn each_standard_that_is_named_has_its_place_on_the_page() {
    let page = tree::file(PAGE).unwrap().text;
    let page = standards(&page);
    let mut files = tree::files(&[".rs", ".md", ".yaml", ".toml"]).unwrap();
    files.retain(|file| file.path != PAGE);
    assert!(page.len() > 30, "{page:?}");
    assert_tidy(&unplaced(&files, &page));
}

#[test]
fn a_row_without_a_test_or_with_one_that_is_gone_is_found() {
    let table = |tests: &str| {
        let text = format!(
            "| section | a | where | tests |\n|---|---|---|---|\n| 1 | b `c` | `token/src/gone.rs` | {tests} |\n"
        );
        rows(&SourceFile::new(PAGE, &text))
    };
    let known = BTreeSet::from(["is_there".to_owned()]);
    assert_eq!(unfounded(&table("`is_there`"), &known, |_| true).len(), 0);
    assert_eq!(unfounded(&table("`is_there`"), &known, |_| false).len(), 1);
    assert_eq!(unfounded(&table("`is_gone`"), &known, |_| true).len(), 1);
    assert_eq!(unfounded(&table("none yet"), &known, |_| true).len(), 1);
}

#[test]
fn a_standard_that_is_named_elsewhere_alone_is_found() {
    let file = |text: &str| [SourceFile::new("a.rs", text)];
    let page = standards("RFC 7515 and RFC7519, section 4");
    let other = format!("// {} 9999 section 1", "RFC");
    assert_eq!(unplaced(&file("// RFC 7515, RFC 7519"), &page).len(), 0);
    assert_eq!(unplaced(&file(&other), &page).len(), 1);
    assert_eq!(unplaced(&file("rfc 1 and rfc7520.json"), &page).len(), 0);
}

#[test]
fn a_function_that_is_no_test_holds_nothing() {
    let text = "#[tokio::test]\n// why\nasync fn one() {}\n#[test]\n#[ignore]\nfn two() {}\nfn three() {}\n";
    let found = tests(&[SourceFile::new("a.rs", text)]);
    assert_eq!(found, BTreeSet::from(["one".to_owned(), "two".to_owned()]));
}

/// A row of a table: where it stands, the files that it names, and the tests.
struct Row {
    line: usize,
    files: Vec<String>,
    tests: Vec<String>,
}

fn rows(page: &SourceFile) -> Vec<Row> {
    let lines = page.text.lines().enumerate();
    let tables = lines.filter(|(_, line)| line.starts_with("| "));
    let rows = tables.filter(|(_, line)| !line.starts_with("| section |"));
    rows.map(|(number, line)| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
        let quoted = |cell: Option<&&str>| -> Vec<String> {
            let texts = cell.unwrap_or(&"").split('`').skip(1).step_by(2);
            texts.map(str::to_owned).collect()
        };
        let mut files = quoted(cells.get(2));
        files.retain(|file| file.contains('/'));
        Row {
            line: number + 1,
            files,
            tests: quoted(cells.get(3)),
        }
    })
    .collect()
}

fn unfounded(rows: &[Row], tests: &BTreeSet<String>, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let mut problems = Vec::new();
    for row in rows {
        let line = row.line;
        if row.tests.is_empty() {
            problems.push(format!("{PAGE}:{line}: no test holds this"));
        }
        let unknown = row.tests.iter().filter(|test| !tests.contains(*test));
        problems.extend(unknown.map(|test| format!("{PAGE}:{line}: no test is called `{test}`")));
        let paths = row.files.iter().map(|file| format!("hallpass-{file}"));
        let gone = paths.filter(|path| !exists(path));
        problems.extend(gone.map(|path| format!("{PAGE}:{line}: there is no crates/{path}")));
    }
    problems
}

/// The names of functions below an attribute of a test.
pub(crate) fn tests(sources: &[SourceFile]) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in sources {
        let mut is_test = false;
        for line in file.text.lines().map(str::trim_start) {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                is_test = true;
            } else if !line.starts_with("#[") && !line.starts_with("//") {
                let function = line.split("fn ").nth(1).filter(|_| is_test);
                let name = function.and_then(|rest| rest.split(['(', '<']).next());
                names.extend(name.map(str::to_owned));
                is_test = is_test && function.is_none();
            }
        }
    }
    names
}

/// The numbers behind `RFC`.
fn standards(text: &str) -> BTreeSet<&str> {
    let after = text.split("RFC").skip(1);
    let numbers = after.filter_map(|rest| rest.trim_start().get(..DIGITS));
    numbers
        .filter(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        .collect()
}

fn unplaced(files: &[SourceFile], page: &BTreeSet<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        let named = standards(&file.text);
        let missing = named.difference(page);
        problems.extend(missing.map(|number| format!("{}: RFC {number} has no row", file.path)));
    }
    problems
}
