//! Tells the compiler what `hallpass --version` says beside the version: the commit that the tree is at, and the features.
//!
//! Nothing of the machine and no time goes into it, so the same commit makes the same executable. `HALLPASS_COMMIT` says the commit where the
//! tree has no folder of git: in a container, or from an archive.

#[path = "build/git_head.rs"]
mod git_head;

use std::path::Path;

use crate::git_head::GitHead;

const UNKNOWN: &str = "unknown";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/git_head.rs");
    let commit = match option_env!("HALLPASS_COMMIT") {
        Some(given) if given.is_empty() || given == UNKNOWN => UNKNOWN.to_owned(),
        Some(given) if git_head::is_commit(given) => given.to_owned(),
        Some(_) => {
            println!("cargo::error=HALLPASS_COMMIT is no commit: 40 or 64 hexadecimal digits");
            return;
        }
        None => of_tree(),
    };
    println!("cargo::rustc-env=HALLPASS_COMMIT={commit}");
    println!("cargo::rustc-env=HALLPASS_FEATURES={}", features());
}

/// The commit that the tree is at; cargo looks again when that may have changed.
fn of_tree() -> String {
    // The tree's own folder and none above it: an archive that is unpacked in somebody's repository is not of that repository's commit.
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let Some(head) = GitHead::read(&tree.join(".git")) else {
        return UNKNOWN.to_owned();
    };
    for path in &head.read_from {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    head.commit.unwrap_or_else(|| UNKNOWN.to_owned())
}

fn features() -> String {
    let all = [
        ("nacos", cfg!(feature = "nacos")),
        ("otlp", cfg!(feature = "otlp")),
    ];
    let on: Vec<_> = all.iter().filter(|(_, is_on)| *is_on).collect();
    let names: Vec<_> = on.iter().map(|(name, _)| *name).collect();
    match names.is_empty() {
        true => "none".to_owned(),
        false => names.join(" "),
    }
}
