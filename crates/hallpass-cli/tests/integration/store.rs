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
