//! The files of the workspace, as the checks see them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Folders that hold what tools and programs make.
const GENERATED: [&str; 7] = [
    "target",
    "corpus",
    "artifacts",
    "coverage",
    "node_modules",
    "data",
    "wip",
];

/// One text file: its path from the workspace's root, with `/`, and what it says.
#[derive(Debug)]
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl SourceFile {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            text: text.to_owned(),
        }
    }

    /// Whether the whole file is test code: an integration test, or the `tests.rs` of a module.
    pub(crate) fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// The workspace's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .components()
        .collect()
}

/// All files whose name ends with one of `endings`, sorted by path.
pub(crate) fn files(endings: &[&str]) -> io::Result<Vec<SourceFile>> {
    let root = root();
    let mut found = Vec::new();
    collect(&root, &root, endings, &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// One file of the tree by its path from the root.
pub(crate) fn file(path: &str) -> io::Result<SourceFile> {
    Ok(SourceFile::new(
        path,
        &fs::read_to_string(root().join(path))?,
    ))
}

fn collect(
    root: &Path,
    folder: &Path,
    endings: &[&str],
    found: &mut Vec<SourceFile>,
) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            let hidden = name.starts_with('.') && name != ".ci";
            if !hidden && !GENERATED.contains(&name.as_str()) {
                collect(root, &path, endings, found)?;
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            found.push(SourceFile {
                path: relative.to_string_lossy().replace('\\', "/"),
                text: fs::read_to_string(&path)?,
            });
        }
    }
    Ok(())
}

#[test]
fn the_walk_finds_this_file_and_nothing_generated() {
    let files = files(&[".rs"]).unwrap();
    let this = "crates/hallpass-testkit/tests/tidy/tree.rs";
    assert!(files.iter().any(|file| file.path == this));
    assert!(!files.iter().any(|file| file.path.starts_with("target/")));
}
