//! The program as a child process. What it does with tokens is tested end to end, with a real issuer.

// The lints that spare tests look for this attribute, also in a test binary.
#[cfg(test)]
mod stop;

use std::process::Command;

#[test]
fn missing_and_wrong_variables_are_told_all_together_and_without_the_secret() {
    let secret = "InternalSecret123!";
    let output = Command::new(env!("CARGO_BIN_EXE_caller"))
        .env_clear()
        .envs([
            ("CLIENT_SECRET", secret),
            ("LISTEN", "here"),
            ("AUDIENCE_PARAMETER", "aud"),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(64), 0),
        "{said}"
    );
    let names = [
        "TOKEN_URL",
        "CLIENT_ID",
        "AUDIENCE",
        "RESOURCE_URL",
        "LISTEN",
        "AUDIENCE_PARAMETER",
    ];
    for name in names {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert!(!said.contains(secret), "{said}");
}
