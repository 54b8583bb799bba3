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
