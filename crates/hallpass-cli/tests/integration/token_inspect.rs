//! `hallpass token inspect`

use hallpass::token::Algorithm;

use crate::process::{Keys, run, run_with};

#[test]
fn what_is_shown_is_called_unverified_and_is_no_token() {
    let keys = Keys::new(Algorithm::EdDsa);
    let token = keys.token();
    let outcome = run_with(&["token", "inspect", "-"], format!("{token}\n").as_bytes());
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let shown = outcome.json();
    assert_eq!(shown["unverified_header"]["typ"], "at+jwt");
    assert_eq!(shown["unverified_claims"]["iss"], "internal");
    assert!(!outcome.stdout.contains(token.rsplit_once('.').unwrap().1));
}

#[test]
fn what_is_no_token_exits_65() {
    for text in ["", "abc", "a.b.c", "-a.b.c", "e30.e30.e30.e30"] {
        let outcome = run(&["token", "inspect", text]);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (65, ""),
            "{text} {outcome:?}"
        );
    }
}
