//! The tables of `docs/tokens.md` are those of the code.

use hallpass_token::{BearerSyntaxError, DpopError, VerifyError};

const DOCUMENT: &str = include_str!("../../../../docs/tokens.md");

/// The lines between two marks of the document.
fn table(name: &str) -> Vec<&'static str> {
    let (_, rest) = DOCUMENT.split_once(&format!("<!-- {name} -->\n")).unwrap();
    let (table, _) = rest.split_once("<!-- end -->").unwrap();
    table
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .collect()
}

#[test]
fn every_code_of_verification_is_documented_with_its_answer() {
    let expected: Vec<String> = VerifyError::EVERY
        .iter()
        .map(|error| {
            let answer = error.bearer_error();
            let meaning = error
                .to_string()
                .replace("claim exp", "claim …")
                .replace(" 0 s", " … s");
            format!(
                "| `{}` | {meaning} | {} `{}` | `{}` |",
                error.code(),
                answer.status(),
                answer.code(),
                error.reason()
            )
        })
        .collect();
    assert_eq!(table("codes"), expected);
}

#[test]
fn every_code_of_the_bearer_header_is_documented_with_its_answer() {
    let all = [
        BearerSyntaxError::Scheme,
        BearerSyntaxError::MissingToken,
        BearerSyntaxError::Charset,
    ];
    let expected: Vec<String> = all
        .iter()
        .map(|error| {
            let answer = error.bearer_error();
            format!(
                "| `{}` | {error} | {} `{}` |",
                error.code(),
                answer.status(),
                answer.code()
            )
        })
        .collect();
    assert_eq!(table("bearer codes"), expected);
}

#[test]
fn every_code_of_a_proof_is_documented() {
    let rows = DpopError::EVERY.iter();
    let rows = rows.map(|error| format!("| `{}` | {error} |", error.code()));
    assert_eq!(table("dpop codes"), rows.collect::<Vec<_>>());
}

#[test]
fn every_test_of_the_table_of_standards_exists() {
    let table = include_str!("../../../../docs/rfc.md");
    let (_, tokens) = table.split_once("\n## Tokens\n").unwrap();
    let tokens = tokens
        .split_once("\n## ")
        .map_or(tokens, |(section, _)| section);
    let rows = tokens.lines().filter(|line| line.starts_with("| RFC"));
    let sources = sources();
    let mut missing = Vec::new();
    for name in rows
        .filter_map(|row| row.rsplit("| ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
    {
        if !sources.contains(&format!("fn {name}(")) {
            missing.push(name);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// Every Rust file of the crate, one behind the other.
fn sources() -> String {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut folders = vec![root.join("src"), root.join("tests")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    text
}
