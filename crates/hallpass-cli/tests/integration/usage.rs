//! What holds for every command.

use crate::process::run;

#[test]
fn help_and_version_exit_0_and_everything_unknown_exits_64() {
    for arguments in [
        &["--help"][..],
        &["--version"],
        &["token", "verify", "--help"],
    ] {
        let outcome = run(arguments);
        assert_eq!(outcome.code, 0, "{outcome:?}");
        assert!(!outcome.stdout.is_empty());
    }
    for arguments in [
        &[][..],
        &["no-such-command"],
        &["demo"],
        &["token"],
        &["--no-such-option"],
    ] {
        let outcome = run(arguments);
        assert_eq!(
            (outcome.code, outcome.stdout.as_str()),
            (64, ""),
            "{outcome:?}"
        );
    }
}

#[test]
fn completions_are_made_for_every_shell() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let outcome = run(&["completions", shell]);
        assert_eq!(outcome.code, 0);
        assert!(outcome.stdout.contains("verify"), "{shell}");
    }
    assert_eq!(run(&["completions", "tcl"]).code, 64);
}
