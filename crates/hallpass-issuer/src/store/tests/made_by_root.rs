//! What a command that root runs makes of a store is for the issuer, which is another user.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use super::*;
use crate::store::place::{Place, SealingKeys};

/// Nobody in particular.
const USER: u32 = 64_001;

/// Whose the files of a folder are, and which they are.
fn owners(folder: &Path) -> BTreeSet<(String, u32, u32, u32)> {
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, found.uid(), found.gid(), found.mode() & 0o777)
    });
    files.collect()
}

fn theirs(names: &[&str]) -> BTreeSet<(String, u32, u32, u32)> {
    let all = names.iter();
    all.map(|name| ((*name).to_owned(), USER, USER + 1, 0o600))
        .collect()
}

#[tokio::test]
async fn a_store_that_root_makes_or_restores_is_its_folders_owners() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can give a file to somebody else");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(USER), Some(USER + 1)).unwrap();
    let path = folder.path().join("issuer.db");
    let store = Store::open(&path, None).await.unwrap();
    add(&store, &[key("a", KeyState::Signing)]).await.unwrap();
    let backup = store.to_backup().await.unwrap();
    store.close().await;
    let whole = theirs(&["issuer.db", "issuer.db.key", "issuer.db.lock"]);
    assert_eq!(owners(folder.path()), whole);

    // As the runbook does it, with the damaged one out of the way.
    fs::remove_file(&path).unwrap();
    fs::remove_file(folder.path().join("issuer.db.lock")).unwrap();
    let restored = Store::from_backup(Place::from(&path), SealingKeys::from(None), &backup);
    restored.await.unwrap().close().await;
    assert_eq!(owners(folder.path()), whole);
}
