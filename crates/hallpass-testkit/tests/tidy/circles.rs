//! No two files import each other, directly or over other files: what can be read alone can be changed alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_tidy;
use crate::modules::{Crate, Target};
use crate::tree::{self, SourceFile};

/// Which files each file imports from.
type Arrows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn no_two_files_import_each_other() {
    let files = tree::files(&[".rs"]).unwrap();
    let folders = source_folders(&files);
    assert!(
        folders.len() > 10,
        "the sources were not found: {folders:?}"
    );
    let mut problems = Vec::new();
    for folder in folders {
        let arrows = arrows(&Crate::of(&folder, &files));
        problems.extend(circles(&arrows));
    }
    assert_tidy(&problems);
}

#[test]
fn a_circle_is_found_however_it_is_written() {
    let ways_back = [
        "use crate::a::A;",
        "use super::A;",
        "use super::*;",
        "use super::{A as Other};",
        "fn f() { super::make(); }",
        "fn f(_: crate::a::A) {}",
        "use crate::A;",
        "use crate::c::C;",
        "fn f() { vec![super::make()]; }",
    ];
    for back in ways_back {
        let files = [
            SourceFile::new("x/src/lib.rs", "mod a; mod c; pub use a::A;"),
            SourceFile::new("x/src/a.rs", "mod b; use b::B; pub struct A; fn make() {}"),
            SourceFile::new("x/src/a/b.rs", &format!("{back} pub struct B;")),
            SourceFile::new("x/src/c.rs", "pub struct C; type D = crate::a::A;"),
        ];
        let found = circles(&arrows(&Crate::of("x/src", &files)));
        assert_eq!(found.len(), 1, "{back}: {found:?}");
        assert!(found[0].contains("x/src/a.rs"), "{back}: {found:?}");
    }
}

#[test]
fn a_parent_that_its_children_do_not_need_is_no_circle() {
    let files = [
        SourceFile::new("x/src/lib.rs", "mod a; pub use a::{A, B};"),
        SourceFile::new("x/src/a.rs", "mod b; mod c; pub use b::B; pub struct A(B);"),
        SourceFile::new(
            "x/src/a/b.rs",
            "use super::c::C; use crate::a::c; pub(super) fn f() {} pub use super::A; pub struct B; #[cfg(test)] mod tests { use crate::A; }",
        ),
        SourceFile::new("x/src/a/c.rs", "pub struct C;"),
    ];
    assert_eq!(
        circles(&arrows(&Crate::of("x/src", &files))),
        Vec::<String>::new()
    );
}

/// `crates/hallpass-token/src` and its like.
pub(crate) fn source_folders(files: &[SourceFile]) -> BTreeSet<String> {
    let roots = files.iter().filter_map(|file| {
        let folder = file
            .path
            .strip_suffix("/lib.rs")
            .or_else(|| file.path.strip_suffix("/main.rs"))?;
        folder.ends_with("/src").then(|| folder.to_owned())
    });
    roots.collect()
}

fn arrows(krate: &Crate) -> Arrows {
    let mut arrows = Arrows::new();
    for (path, module) in &krate.modules {
        // What a file only hands on, it does not depend on.
        let used = |name: &String| {
            name == "*" || module.named.iter().any(|path| path.first() == Some(name))
        };
        let imports = module.imports.iter();
        let imported = imports
            .filter(|import| !import.is_handed_on || used(&import.name))
            .map(|import| &import.path);
        for written in imported.chain(&module.named) {
            // A module alone (`use super::limits`, `pub(super)`) is a way to names; the names count.
            let Some(Target::Item(to, _)) = krate.resolve(path, written) else {
                continue;
            };
            if let Some(file) = krate.modules.get(&to).map(|to| &to.file)
                && *file != module.file
            {
                arrows
                    .entry(module.file.clone())
                    .or_default()
                    .insert(file.clone());
            }
        }
    }
    arrows
}

/// One line for each group of files that reach each other.
fn circles(arrows: &Arrows) -> Vec<String> {
    let reach: Arrows = arrows
        .keys()
        .map(|file| (file.clone(), reachable(arrows, file)))
        .collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|files| files.contains(to));
    let mut groups: BTreeSet<Vec<&String>> = BTreeSet::new();
    for file in arrows.keys().filter(|file| reaches(file, file)) {
        let group = arrows
            .keys()
            .filter(|other| reaches(file, other) && reaches(other, file));
        groups.insert(group.collect());
    }
    let describe = |group: Vec<&String>| {
        let files: Vec<&str> = group.into_iter().map(String::as_str).collect();
        format!("import each other: {}", files.join(", "))
    };
    groups.into_iter().map(describe).collect()
}

fn reachable(arrows: &Arrows, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(file) = open.pop() {
        for next in arrows.get(&file).into_iter().flatten() {
            if found.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    found
}
