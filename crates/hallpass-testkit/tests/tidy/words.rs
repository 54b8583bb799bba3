//! Words that may not stand in the tree, or only in some of it.

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

/// Marks of unfinished work, written in two halves so that this file does not hold them.
const UNFINISHED: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!"),
    concat!("unimplemented", "!"),
    concat!("dbg", "!"),
];

/// One word, written as two. In two halves, like the marks.
const SPLIT_WORD: &str = concat!("can", " not");

/// The type that holds a private key that can sign tokens, and where code that is not a test may name it.
const PRIVATE_KEY_TYPE: &str = "SigningKey";
const MAY_NAME_THE_PRIVATE_KEY: [&str; 5] = [
    "crates/hallpass-token/",
    "crates/hallpass-issuer/",
    "crates/hallpass-testkit/",
    "bench/",
    "examples/shop/src/identity_provider.rs",
];

/// The type that holds the private key of a certificate authority, and where code that is not a test may name it.
const CA_KEY_TYPE: &str = "CaKey";
const MAY_NAME_THE_CA_KEY: [&str; 1] = ["crates/hallpass-issuer/src/authority/"];

/// The type that holds a private key which signs proofs of possession, and where code that is not a test may name it.
const PROOF_KEY_TYPE: &str = "DpopKey";
const MAY_NAME_THE_PROOF_KEY: [&str; 4] = [
    "crates/hallpass-token/",
    "crates/hallpass-client/",
    "crates/hallpass-testkit/",
    "bench/",
];

/// The type that holds the private key by which a client proves who it is, and where code that is not a test may name it.
const CLIENT_KEY_TYPE: &str = "AssertionSigner";
const MAY_NAME_THE_CLIENT_KEY: [&str; 5] = [
    "crates/hallpass-token/",
    "crates/hallpass-client/",
    "crates/hallpass-cli/src/command/client_key.rs",
    "crates/hallpass-testkit/",
    "bench/",
];

#[test]
fn only_a_client_names_the_key_that_says_who_it_is() {
    let files = tree::files(&[".rs"]).unwrap();
    assert_tidy(&client_keys(&files));
    let code = format!("use hallpass_token::{CLIENT_KEY_TYPE};\n");
    for (path, problems) in [
        ("crates/hallpass-client/src/credential.rs", 0),
        ("crates/hallpass-issuer/src/token/endpoint.rs", 1),
        ("crates/hallpass-resource/src/layer.rs", 1),
    ] {
        let found = client_keys(&[SourceFile::new(path, &code)]);
        assert_eq!(found.len(), problems, "{path}");
    }
}

#[test]
fn only_the_authority_names_the_key_that_signs_certificates() {
    let files = tree::files(&[".rs"]).unwrap();
    assert_tidy(&ca_keys(&files));
    let code = format!("use crate::authority::ca_key::{CA_KEY_TYPE};\n");
    for (path, problems) in [
        ("crates/hallpass-issuer/src/authority/ring.rs", 0),
        ("crates/hallpass-issuer/src/core.rs", 1),
        ("crates/hallpass-gateway/src/authz.rs", 1),
    ] {
        let found = ca_keys(&[SourceFile::new(path, &code)]);
        assert_eq!(found.len(), problems, "{path}");
    }
}

#[test]
fn no_work_is_left_half_done() {
    let files = tree::files(&[".rs", ".toml", ".md", ".sh", ".yaml", ".yml", "run"]).unwrap();
    let mut problems = Vec::new();
    for file in &files {
        problems.extend(unfinished(file));
    }
    assert_tidy(&problems);
}

#[test]
fn cannot_is_one_word() {
    let files = tree::files(&[".rs", ".md"]).unwrap();
    let problems: Vec<String> = files.iter().flat_map(split_words).collect();
    assert_tidy(&problems);
}

#[test]
fn only_the_issuer_names_a_private_key() {
    let files = tree::files(&[".rs"]).unwrap();
    assert_tidy(&private_keys(&files));
}

#[test]
fn only_the_token_client_names_a_key_that_proves() {
    let files = tree::files(&[".rs"]).unwrap();
    assert_tidy(&proof_keys(&files));

    let path = "crates/hallpass-issuer/src/core.rs";
    let code = format!("use hallpass_token::{PROOF_KEY_TYPE};\n");
    assert_eq!(proof_keys(&[SourceFile::new(path, &code)]).len(), 1);
}

#[test]
fn each_mark_of_unfinished_work_is_found() {
    for word in UNFINISHED {
        let file = SourceFile::new("x.rs", &format!("fn f() {{\n    // {word} later\n}}"));
        let problems = unfinished(&file);
        assert!(problems.iter().any(|p| p.starts_with("x.rs:2:")), "{word}");
    }
    let harmless = SourceFile::new("x.rs", "fn no_todos_left() {} // methodology, 0xXXXX");
    assert_eq!(unfinished(&harmless), Vec::<String>::new());
}

#[test]
fn a_word_written_as_two_is_found() {
    let prose = format!("a key\nthat {SPLIT_WORD} be read");
    let name = format!("fn it_{}_be_read() {{}}", SPLIT_WORD.replace(' ', "_"));
    let capital = SPLIT_WORD.replacen('c', "C", 1);
    for (text, line) in [(prose, 2), (name, 1), (capital, 1)] {
        let problems = split_words(&SourceFile::new("x.rs", &text));
        assert_eq!(problems.len(), 1, "{text}");
        assert!(problems[0].starts_with(&format!("x.rs:{line}:")), "{text}");
    }
    let harmless = SourceFile::new("x.md", "it cannot; as far as we can, nothing else");
    assert_eq!(split_words(&harmless), Vec::<String>::new());
}

#[test]
fn a_private_key_in_a_resource_server_is_found_and_one_in_its_tests_is_not() {
    let path = "crates/hallpass-resource/src/layer.rs";
    let code = format!("use hallpass_token::{PRIVATE_KEY_TYPE};\n");
    let problems = private_keys(&[SourceFile::new(path, &code)]);
    assert_eq!(problems.len(), 1);

    let in_tests = format!("fn f() {{}}\n#[cfg(test)]\nmod tests {{\n{code}}}\n");
    let allowed = [
        SourceFile::new(path, &in_tests),
        SourceFile::new("crates/hallpass-resource/tests/integration/main.rs", &code),
        SourceFile::new("crates/hallpass-issuer/src/keys.rs", &code),
    ];
    assert_eq!(private_keys(&allowed), Vec::<String>::new());
}

fn unfinished(file: &SourceFile) -> Vec<String> {
    let mut problems = Vec::new();
    for (number, line) in file.text.lines().enumerate() {
        for word in UNFINISHED.iter().filter(|word| has_word(line, word)) {
            problems.push(format!(
                "{}:{}: {word}: finish it, or file an issue",
                file.path,
                number + 1
            ));
        }
    }
    problems
}

/// In prose and in names: `_` stands for a space there.
fn split_words(file: &SourceFile) -> Vec<String> {
    let lines = file.text.lines().enumerate();
    lines
        .filter(|(_, line)| has_word(&line.replace('_', " ").to_lowercase(), SPLIT_WORD))
        .map(|(number, _)| format!("{}:{}: write `cannot`", file.path, number + 1))
        .collect()
}

fn private_keys(files: &[SourceFile]) -> Vec<String> {
    let (name, places) = (PRIVATE_KEY_TYPE, &MAY_NAME_THE_PRIVATE_KEY);
    keys(files, name, places, "only the issuer signs")
}

fn proof_keys(files: &[SourceFile]) -> Vec<String> {
    let (name, places) = (PROOF_KEY_TYPE, &MAY_NAME_THE_PROOF_KEY);
    keys(files, name, places, "only the token client proves")
}

fn ca_keys(files: &[SourceFile]) -> Vec<String> {
    let (name, places) = (CA_KEY_TYPE, &MAY_NAME_THE_CA_KEY);
    keys(files, name, places, "only the authority signs certificates")
}

fn client_keys(files: &[SourceFile]) -> Vec<String> {
    let (name, places) = (CLIENT_KEY_TYPE, &MAY_NAME_THE_CLIENT_KEY);
    keys(files, name, places, "only a client says who it is")
}

fn keys(files: &[SourceFile], name: &str, places: &[&str], reason: &str) -> Vec<String> {
    let mut problems = Vec::new();
    for file in files {
        let may = places.iter().any(|place| file.path.starts_with(place));
        if may || file.is_test() {
            continue;
        }
        let code = file.text.split("\n#[cfg(test)]").next().unwrap_or_default();
        if code.lines().any(|line| has_word(line, name)) {
            problems.push(format!("{}: names {name}; {reason}", file.path));
        }
    }
    problems
}

/// Whether `word` stands in `line` with no letter, digit or underscore on either side.
pub(crate) fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(start, _)| {
        let (before, rest) = line.split_at(start);
        let after = rest.strip_prefix(word).and_then(|r| r.chars().next());
        !before.ends_with(part_of_name) && !after.is_some_and(part_of_name)
    })
}
