//! Files that are never there: pipes that nobody writes to.

use std::process::Command;
use std::time::Duration;

use super::rig::{Diagnosis, Estate};

/// For a process that begins and ends on a machine that does much else. The reader of one pipe alone would wait for 5 s.
const TO_BEGIN_AND_END: Duration = Duration::from_millis(2_500);

#[test]
fn a_pipe_that_nobody_writes_to_takes_no_more_than_the_time_that_there_is() {
    let estate = Estate::start();
    let pipe = estate.path().join("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let keys = format!("jwks-url: {}", estate.issuer.url("/oauth2/jwks"));
    let trusted = "issuer: { listen: '127.0.0.1:0', store: /nowhere/hallpass.db, trusted-issuers: \
                   [{ name: partner, issuer: 'https://partner.example', jwks-file: pipe }] }";
    let pair = "certificate-file: pipe, private-key-file: pipe";
    for (yaml, check, outcome, part) in [
        (
            estate.with(&keys, "jwks-file: pipe"),
            "key-set",
            "warning",
            "not read in time",
        ),
        (
            estate.and("tls: { ca-file: pipe }"),
            "authorities",
            "warning",
            "not read in time",
        ),
        (
            estate.and(&format!("tls: {{ {pair} }}")),
            "certificates",
            "warning",
            "not read in time",
        ),
        (estate.and(trusted), "key-set", "warning", "partner, "),
        (
            estate.with("client-secret: ", "client-secret-file: pipe # "),
            "configuration",
            "failure",
            "not read in time",
        ),
    ] {
        let found = estate.doctor_within(&yaml, "2");
        in_time(&found);
        found.has(check, outcome, part);
        if outcome == "warning" {
            assert!(found.untried().contains(&check), "{found}");
        }
    }
    let found = Diagnosis::of(&["--config", pipe.to_str().unwrap(), "--timeout", "2"]);
    in_time(&found);
    found.is(64, &[("configuration", "failure", "not read in time")]);
}

#[track_caller]
fn in_time(found: &Diagnosis) {
    let most = Duration::from_secs(2) + TO_BEGIN_AND_END;
    assert!(found.took < most, "{:?} {found}", found.took);
}
