//! The program as a child process. What it does with tokens is tested end to end, with a real issuer.

use std::process::Command;

#[test]
fn missing_and_wrong_variables_are_told_all_together() {
    let output = Command::new(env!("CARGO_BIN_EXE_protected"))
        .env_clear()
        .envs([
            ("JWKS_URL", "http://issuer.example/jwks"),
            ("LEEWAY", "soon"),
        ])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(
        (output.status.code(), output.stdout.len()),
        (Some(64), 0),
        "{said}"
    );
    for name in ["ISSUER", "AUDIENCE", "JWKS_URL", "LEEWAY"] {
        assert!(said.contains(name), "{name}: {said}");
    }
}
