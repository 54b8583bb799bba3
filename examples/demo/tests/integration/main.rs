//! The demonstration as a child process: what it says, and the exit code.

// The lints that spare tests look for this attribute, also in a test binary.
#[cfg(test)]
#[path = "../../../../crates/hallpass-testkit/tests/e2e/built.rs"]
mod built;
#[cfg(test)]
mod process;
#[cfg(test)]
#[path = "../../../../crates/hallpass-testkit/tests/monitoring/programs.rs"]
mod programs;
#[cfg(test)]
mod roll_out;
#[cfg(test)]
#[path = "../../../../crates/hallpass-testkit/tests/monitoring/server.rs"]
mod server;
#[cfg(test)]
mod watched;

use std::io::{BufRead, BufReader};

use crate::process::{Demo, get, run};

#[test]
fn everything_in_the_demo_is_as_it_should_be() {
    let outcome = run(&["--once"]);
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
    // Who she is, who acts for her, whom it is for, what it allows; asked for once.
    for token_from in ["issuer", "cache"] {
        assert!(hop([
            "order-service  logistics-service  exchange  login|alice",
            "order-service  logistics-service  orders:read ",
            token_from,
            "200"
        ]));
    }
    assert!(hop([
        "order-service",
        "identity-provider",
        "relay",
        "alice"
    ]));
    assert!(hop([
        "alice's own token",
        "at the carrier",
        "401",
        "invalid_token"
    ]));
    assert!(hop([
        "a call for a customer",
        "none is there",
        "not sent",
        "no_identity"
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
    by_the_gateway(&outcome.stdout);
    assert!(
        outcome
            .stdout
            .contains("the issuer saw during the whole demo: 2 (")
    );
    assert!(
        !outcome.stdout.contains('\u{1b}'),
        "no control characters in a pipe"
    );
}

/// Whom she says she is makes no difference, and what she takes back counts no more.
fn by_the_gateway(stdout: &str) {
    let rows = |words: [&str; 3]| {
        let lines = stdout.lines();
        let rows = lines.filter(|line| words.iter().all(|word| line.contains(word)));
        rows.count()
    };
    let to_orders = "exchange  login|alice  edge ";
    assert_eq!(rows(["gateway", to_orders, "200"]), 2);
    let to_carrier = "logistics-service  exchange  login|alice  order-service, edge ";
    assert_eq!(rows(["order-service", to_carrier, "200"]), 2);
    for words in [
        ["X-User-Id: admin", "alice", "200"],
        ["without a token", "gateway", "401"],
        ["customer reads events", "gateway", "200"],
        ["POST /logout", "gateway", "204"],
        ["events since", "gateway", "ended"],
        ["with that token", "gateway", "401"],
        [
            "logged out",
            "the gateway refused at once and had ended the events",
            "order-service itself",
        ],
    ] {
        assert_eq!(rows(words), 1, "{words:?}");
    }
    assert!(!stdout.contains(" ROLE_ADMIN"));
    assert!(!stdout.contains("eyJ"), "no token in the tables");
}

#[test]
fn without_once_it_stays_up_and_prints_lines_for_curl() {
    let mut demo = Demo::start(&[]);
    let lines = BufReader::new(demo.child.stdout.take().unwrap()).lines();
    let mut said = lines.map(Result::unwrap);
    let token = said
        .find_map(|line| line.trim().strip_prefix("TOKEN=").map(str::to_owned))
        .unwrap();
    let url = said.find(|line| line.contains("/orders")).unwrap();
    let url = url.rsplit_once(' ').unwrap().1.to_owned();
    assert!(said.any(|line| line.contains("token inspect")));
    assert_eq!(get(&url, &token), 200);
    demo.interrupt();
    assert_eq!(demo.child.wait().unwrap().code(), Some(0));
}

#[test]
fn help_exits_0_and_bad_usage_64() {
    let help = run(&["--help"]);
    assert_eq!(help.code, 0, "{help:?}");
    assert!(help.stdout.contains("--once"), "{help:?}");
    for bad in [&["--no-such-option"][..], &["--once", "--log", "a=b=c"]] {
        let outcome = run(bad);
        let seen = (outcome.code, outcome.stdout.as_str());
        assert_eq!(seen, (64, ""), "{outcome:?}");
    }
}

#[test]
fn a_test_that_fails_half_way_leaves_no_demonstration_running() {
    let demo = Demo::start(&[]);
    let id = demo.child.id();
    let failing = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
        let _demo = demo;
        std::panic::resume_unwind(Box::new("half-way"));
    }));
    assert!(failing.is_err());
    assert!(!process::is_running(id));
}
