//! Which commit a tree is at, from the files of git alone: a build needs neither the program nor a network.

use std::fs;
use std::path::{Path, PathBuf};

/// Whether these are the digits of a commit, of SHA-1 or of SHA-256.
pub(crate) fn is_commit(text: &str) -> bool {
    let is_digit = |it: u8| matches!(it, b'0'..=b'9' | b'a'..=b'f');
    matches!(text.len(), 40 | 64) && text.bytes().all(is_digit)
}

/// What `HEAD` of a tree says.
#[derive(Debug)]
pub(crate) struct GitHead {
    /// `None` before the first commit, and where references are kept in another form than files.
    pub(crate) commit: Option<String>,
    /// What exists of the places where a later commit would be written.
    pub(crate) read_from: Vec<PathBuf>,
}

impl GitHead {
    /// `dot_git` is the folder of git, or in a further worktree the file that names it. `None` where there is neither.
    pub(crate) fn read(dot_git: &Path) -> Option<Self> {
        let folder = match fs::read_to_string(dot_git) {
            Ok(named) => dot_git
                .parent()?
                .join(named.strip_prefix("gitdir: ")?.trim()),
            Err(_) => dot_git.to_owned(),
        };
        let head = fs::read_to_string(folder.join("HEAD")).ok()?;
        let mut read_from = vec![folder.join("HEAD")];
        let Some(name) = head.trim().strip_prefix("ref: ") else {
            let commit = Some(head.trim()).filter(|it| is_commit(it));
            return Some(Self {
                commit: commit.map(str::to_owned),
                read_from,
            });
        };
        // What all worktrees share stands elsewhere.
        let shared = match fs::read_to_string(folder.join("commondir")) {
            Ok(named) => folder.join(named.trim()),
            Err(_) => folder,
        };
        let (loose, packed) = (shared.join(name), shared.join("packed-refs"));
        let mut commit = fs::read_to_string(&loose).ok();
        if commit.is_none() {
            commit = fs::read_to_string(&packed)
                .ok()
                .and_then(|it| find(&it, name));
        }
        // A reference that is packed gets a file of its own with the next commit, in a folder that is there or not.
        let places = loose.ancestors().take_while(|it| *it != shared.as_path());
        read_from.extend(places.map(Path::to_owned).find(|it| it.exists()));
        read_from.extend(Some(packed).filter(|it| it.exists()));
        let commit = commit.map(|it| it.trim().to_owned());
        Some(Self {
            commit: commit.filter(|it| is_commit(it)),
            read_from,
        })
    }
}

/// The commit of a reference among packed ones: `COMMIT NAME` in a line.
fn find(packed: &str, name: &str) -> Option<String> {
    let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
    let found = lines.find(|(_, of)| *of == name);
    found.map(|(commit, _)| commit.to_owned())
}
