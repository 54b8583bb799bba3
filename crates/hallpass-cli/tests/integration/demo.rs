//! `hallpass demo`

use std::io::{BufRead, BufReader};

use crate::process::{command, run, signal, spawn};

#[test]
fn everything_in_the_demo_is_as_it_should_be() {
    let outcome = run(&["demo", "--once"]);
    assert_eq!(
        (outcome.code, outcome.stderr.as_str()),
        (0, ""),
        "{outcome:?}"
    );
    let hop = |words: [&str; 4]| {
        outcome
            .stdout
            .lines()
            .any(|line| words.iter().all(|word| line.contains(word)))
    };
    assert!(hop([
        "order-service",
        "logistics-service",
        "relay",
        "alice"
    ]));
    assert!(hop([
        "order-service",
        "service-system",
        "internal-service-client",
        "issuer"
    ]));
    assert!(hop([
        "order-service",
        "service-system",
        "internal-service-client",
        "cache"
    ]));
    assert!(hop([
        "alice's token",
        "internal endpoint",
        "403",
        "insufficient_scope"
    ]));
    assert!(hop(["down", "200", "breaker_open", "alice"]));
    assert!(
        outcome
            .stdout
            .contains("the issuer saw during the whole demo: 1\n")
    );
    assert!(
        !outcome.stdout.contains('\u{1b}'),
        "no control characters in a pipe"
    );
    assert!(!outcome.stdout.contains("eyJ"), "no token in the tables");
}

#[test]
fn without_once_it_stays_up_and_prints_lines_for_curl() {
    let mut child = spawn(&mut command(&["demo"]));
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = lines.map(Result::unwrap);
    let token = said
        .find_map(|line| line.trim().strip_prefix("TOKEN=").map(str::to_owned))
        .unwrap();
    let url = said.find(|line| line.contains("/orders")).unwrap();
    let url = url.rsplit_once(' ').unwrap().1.to_owned();
    assert!(said.any(|line| line.contains("token inspect")));
    let status = crate::process::get(&url, &token);
    assert_eq!(status, 200);
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
