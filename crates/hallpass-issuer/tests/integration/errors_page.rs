//! `docs/errors.md` says of each error what to do.

const PAGE: &str = include_str!("../../../../docs/errors.md");
const SOURCE: &str = include_str!("../../src/error.rs");
const SECTION: &str = "\n## Issuer: start, import and reload\n";

#[test]
fn each_error_that_ends_a_command_of_the_issuer_says_on_the_page_what_to_do() {
    let (_, after) = PAGE.split_once(SECTION).unwrap();
    let (section, _) = after.split_once("\n## ").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let named: Vec<&str> = rows
        .flat_map(|row| {
            let first = row.split(" | ").next().unwrap();
            first.split('`').skip(1).step_by(2)
        })
        .collect();
    let errors = variants();
    assert!(errors.len() > 20, "{errors:?}");
    let missing: Vec<&&str> = errors.iter().filter(|it| !named.contains(it)).collect();
    assert!(missing.is_empty(), "docs/errors.md lacks {missing:?}");
    let gone: Vec<&&str> = named.iter().filter(|it| !errors.contains(it)).collect();
    assert!(gone.is_empty(), "docs/errors.md has {gone:?}");
}

/// Those of the enum, as it is written.
fn variants() -> Vec<&'static str> {
    let (_, body) = SOURCE.split_once("pub enum Error {\n").unwrap();
    let (body, _) = body.split_once("\n}\n").unwrap();
    let lines = body.lines().filter_map(|line| line.strip_prefix("    "));
    lines
        .filter(|line| line.starts_with(|c: char| c.is_ascii_uppercase()))
        .map(|line| {
            line.split(|c: char| !c.is_ascii_alphanumeric())
                .next()
                .unwrap()
        })
        .collect()
}
