//! `hallpass store`: check, migrate, backup and restore.

use std::fs;

use crate::issuer::Running;
use crate::process::run;

#[test]
fn a_store_that_was_lost_is_restored_from_a_backup_made_beside_the_issuer() {
    let folder = tempfile::tempdir().unwrap();
    let [store, backup] = ["hallpass.db", "backup"].map(|name| folder.path().join(name));
    let (at, to) = (store.to_str().unwrap(), backup.to_str().unwrap());
    let issuer = Running::start(folder.path(), &[]);
    let keys = issuer.key_ids();
    let written = run(&["store", "backup", to, "--store", at]);
    assert_eq!(
        (written.code, written.stderr.as_str()),
        (0, ""),
        "{written:?}"
    );
    let again = run(&["store", "backup", to, "--store", at]);
    assert_eq!(
        again.code, 1,
        "what is there is not written over: {again:?}"
    );
    assert_eq!(issuer.stop(), 0);

    let refused = run(&["store", "restore", to, "--store", at]);
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(refused.stderr.contains("it is not empty"), "{refused:?}");
    fs::remove_file(&store).unwrap();
    let restored = run(&["store", "restore", to, "--store", at]);
    assert_eq!(restored.code, 0, "{restored:?}");
    assert!(
        restored
            .stdout
            .contains("all of it is as an issuer wrote it")
    );
    let check = run(&["store", "check", "--store", at, "--json"]);
    let found = check.json();
    assert_eq!((&found["keys"], &found["clients"]), (&1.into(), &1.into()));
    let issuer = Running::start(folder.path(), &[]);
    assert_eq!(issuer.key_ids(), keys);
    assert_eq!(
        issuer.shown("client secret"),
        None,
        "it has its first client"
    );
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn a_plan_does_nothing_and_what_is_no_store_or_no_backup_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let [store, other] = ["hallpass.db", "other"].map(|name| folder.path().join(name));
    let (at, from) = (store.to_str().unwrap(), other.to_str().unwrap());
    let missing = run(&["store", "check", "--store", at]);
    assert_eq!(missing.code, 64, "{missing:?}");
    let plan = run(&["store", "migrate", "--plan", "--store", at]);
    assert!(
        plan.stdout.contains("step       1  first store"),
        "{plan:?}"
    );
    assert!(
        plan.stdout
            .ends_with("nothing was done: leave out --plan\n")
    );
    assert!(!store.exists());
    let migrated = run(&["store", "migrate", "--store", at]);
    assert!(migrated.stdout.ends_with("done\n"), "{migrated:?}");
    let again = run(&["store", "migrate", "--store", at]);
    assert_eq!(again.stdout, "up to date\n");
    assert_eq!(run(&["store", "check", "--store", at]).code, 0);
    fs::write(&other, "hallpass: {}\n").unwrap();
    fs::remove_file(&store).unwrap();
    let restored = run(&["store", "restore", from, "--store", at]);
    assert_eq!(restored.code, 64, "{restored:?}");
    assert!(
        restored.stderr.contains("it is no backup of a store"),
        "{restored:?}"
    );
}

#[test]
fn a_backup_of_a_store_with_a_row_that_somebody_changed_is_there_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let [store, backup] = ["hallpass.db", "backup"].map(|name| folder.path().join(name));
    let (at, to) = (store.to_str().unwrap(), backup.to_str().unwrap());
    assert_eq!(Running::start(folder.path(), &[]).stop(), 0);
    let mut bytes = fs::read(&store).unwrap();
    let curve = bytes.windows(5).position(|it| it == b"P-256").unwrap();
    bytes[curve..curve + 5].copy_from_slice(b"P-255");
    fs::write(&store, bytes).unwrap();
    let check = run(&["store", "check", "--store", at]);
    let written = run(&["store", "backup", to, "--store", at]);
    assert_eq!((check.code, written.code), (65, 65), "{written:?}");
    let wrong = |said: &str| {
        let lines = said.lines().filter(|line| line.starts_with("WRONG  "));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(!wrong(&check.stdout).is_empty());
    assert_eq!(wrong(&written.stdout), wrong(&check.stdout));
    assert!(backup.exists());
}

#[test]
fn a_backup_with_a_broken_byte_is_told_from_a_fault_of_the_machine() {
    let folder = tempfile::tempdir().unwrap();
    let [store, backup] = ["hallpass.db", "backup"].map(|name| folder.path().join(name));
    let (at, to) = (store.to_str().unwrap(), backup.to_str().unwrap());
    assert_eq!(Running::start(folder.path(), &[]).stop(), 0);
    assert_eq!(run(&["store", "backup", to, "--store", at]).code, 0);
    fs::remove_file(&store).unwrap();
    let mut bytes = fs::read(&backup).unwrap();
    bytes[100] = 0xff;
    fs::write(&backup, bytes).unwrap();
    let refused = run(&["store", "restore", to, "--store", at]);
    assert_eq!(refused.code, 64, "{refused:?}");
    assert!(refused.stderr.contains("it was changed"), "{refused:?}");
}

/// The database itself says `unable to open database file`.
#[cfg(unix)]
#[test]
fn who_may_not_open_the_store_is_told_whose_it_is() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
    use std::os::unix::process::CommandExt as _;

    let folder = tempfile::tempdir().unwrap();
    if folder.path().metadata().unwrap().uid() != 0 {
        eprintln!("SKIPPED: only root can be somebody else");
        return;
    }
    let store = folder.path().join("hallpass.db");
    assert_eq!(Running::start(folder.path(), &[]).stop(), 0);
    let open = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    };
    open(folder.path(), 0o755);
    open(&folder.path().join("hallpass.db.key"), 0o644);
    // Where the one that was built is may be nobody else's to see.
    let program = folder.path().join("hallpass");
    fs::copy(env!("CARGO_BIN_EXE_hallpass"), &program).unwrap();
    open(&program, 0o755);
    let mut command = std::process::Command::new(&program);
    command.args(["store", "check", "--store", store.to_str().unwrap()]);
    let refused = command.uid(64_001).gid(64_001).output().unwrap();
    let said = String::from_utf8(refused.stderr).unwrap();
    let expected =
        "permission denied: it belongs to user 0 (mode 600), and this runs as user 64001";
    assert!(said.contains(expected), "{said}");
}
