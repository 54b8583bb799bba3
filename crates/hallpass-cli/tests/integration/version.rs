//! What `hallpass --version` says, and where the build finds the commit.

#[path = "../../build/git_head.rs"]
mod git_head;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use self::git_head::GitHead;
use crate::process::run;

const FIRST: &str = "0123456789abcdef0123456789abcdef01234567";
const SECOND: &str = "89abcdef0123456789abcdef0123456789abcdef";

#[test]
fn the_version_says_commit_and_features() {
    let short = run(&["-V"]).stdout;
    assert_eq!(short, format!("hallpass {}\n", env!("CARGO_PKG_VERSION")));
    let long = run(&["--version"]).stdout;
    let features = match (cfg!(feature = "nacos"), cfg!(feature = "otlp")) {
        (true, true) => "nacos otlp",
        (true, false) => "nacos",
        (false, true) => "otlp",
        (false, false) => "none",
    };
    let commit = option_env!("HALLPASS_COMMIT").map_or_else(commit_of_the_tree, str::to_owned);
    assert_eq!(
        long,
        format!("{short}commit   {commit}\nfeatures {features}\n")
    );
}

/// What git itself says, where there is git, and a tree of its own.
fn commit_of_the_tree() -> String {
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    if !tree.join(".git").exists() {
        return "unknown".to_owned();
    }
    let asked = Command::new("git")
        .args(["-c", "safe.directory=*", "rev-parse", "HEAD"])
        .current_dir(&tree)
        .output();
    match asked {
        Ok(said) if said.status.success() => {
            String::from_utf8(said.stdout).unwrap().trim().to_owned()
        }
        _ => GitHead::read(&tree.join(".git")).unwrap().commit.unwrap(),
    }
}

/// A folder of git that holds what a test writes.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            let path = tree.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        tree
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The commit, and where it is looked at for a later one.
    fn head(&self, dot_git: &str) -> (Option<String>, Vec<PathBuf>) {
        let head = GitHead::read(&self.path(dot_git)).unwrap();
        let canonical = |it: &PathBuf| fs::canonicalize(it).unwrap();
        (head.commit, head.read_from.iter().map(canonical).collect())
    }

    fn canonical(&self, names: &[&str]) -> Vec<PathBuf> {
        let paths = names.iter().map(|name| self.path(name));
        paths.map(|it| fs::canonicalize(it).unwrap()).collect()
    }
}

#[test]
fn a_branch_is_followed_in_its_own_file() {
    let tree = Tree::new(&[
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/refs/heads/main", &format!("{FIRST}\n")),
        // Older than the file.
        (
            ".git/packed-refs",
            &format!("# pack-refs\n{SECOND} refs/heads/main\n"),
        ),
    ]);
    let (commit, read_from) = tree.head(".git");
    assert_eq!(commit.as_deref(), Some(FIRST));
    let places = [".git/HEAD", ".git/refs/heads/main", ".git/packed-refs"];
    assert_eq!(read_from, tree.canonical(&places));
}

/// After `git gc`, and in a fresh clone: the next commit makes a file below a folder that is watched.
#[test]
fn a_branch_among_packed_ones_is_found() {
    let packed =
        format!("# pack-refs\n{SECOND} refs/heads/maine\n{FIRST} refs/heads/main\n^{SECOND}\n");
    let tree = Tree::new(&[
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/refs/heads/other", SECOND),
        (".git/packed-refs", &packed),
    ]);
    let (commit, read_from) = tree.head(".git");
    assert_eq!(commit.as_deref(), Some(FIRST));
    let places = [".git/HEAD", ".git/refs/heads", ".git/packed-refs"];
    assert_eq!(read_from, tree.canonical(&places));
}

#[test]
fn a_further_worktree_has_its_own_head_and_shares_the_branches() {
    let tree = Tree::new(&[
        ("main/.git/HEAD", "ref: refs/heads/main\n"),
        ("main/.git/refs/heads/main", SECOND),
        ("main/.git/refs/heads/topic", FIRST),
        ("main/.git/worktrees/topic/HEAD", "ref: refs/heads/topic\n"),
        ("main/.git/worktrees/topic/commondir", "../..\n"),
        ("topic/.git", "gitdir: ../main/.git/worktrees/topic\n"),
    ]);
    let (commit, read_from) = tree.head("topic/.git");
    assert_eq!(commit.as_deref(), Some(FIRST));
    let places = [
        "main/.git/worktrees/topic/HEAD",
        "main/.git/refs/heads/topic",
    ];
    assert_eq!(read_from, tree.canonical(&places));
}

#[test]
fn a_tree_without_a_commit_says_none() {
    let detached = Tree::new(&[(".git/HEAD", &format!("{FIRST}\n"))]);
    assert_eq!(detached.head(".git").0.as_deref(), Some(FIRST));
    let empty = Tree::new(&[
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/refs/heads/.keep", ""),
    ]);
    assert_eq!(empty.head(".git").0, None);
    let odd = Tree::new(&[
        (".git/HEAD", "ref: refs/heads/main\n"),
        (".git/refs/heads/main", "$(id)\n"),
    ]);
    assert_eq!(odd.head(".git").0, None);
    let archive = Tree::new(&[]);
    assert!(GitHead::read(&archive.path(".git")).is_none());
}
