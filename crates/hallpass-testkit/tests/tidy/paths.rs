//! Every public name has exactly one path in its crate: readers find it in one place, and all imports
//! are the same.

use std::collections::{BTreeMap, BTreeSet};

use crate::assert_tidy;
use crate::circles::source_folders;
use crate::modules::{Crate, Target};
use crate::tree::{self, SourceFile};

/// The crate that hands the libraries on under one name, and the module in which it repeats some of them.
const UMBRELLA: &str = "crates/hallpass/src";
const PRELUDE: &str = "prelude";

/// Each thing that a crate shows, with the paths that lead to it.
type Paths = BTreeMap<Target, BTreeSet<String>>;

#[test]
fn every_public_name_has_one_path() {
    let files = tree::files(&[".rs"]).unwrap();
    let mut problems = Vec::new();
    let mut names = 0;
    for folder in source_folders(&files) {
        if !files
            .iter()
            .any(|file| file.path == format!("{folder}/lib.rs"))
        {
            continue;
        }
        let paths = public_paths(&Crate::of(&folder, &files));
        names += paths.len();
        problems.extend(several(&folder, &paths));
    }
    assert!(names > 100, "the public names were not found: {names}");
    assert_tidy(&problems);
}

#[test]
fn a_library_hands_on_no_other_crate_whole() {
    let files = tree::files(&[".rs"]).unwrap();
    let mut problems = Vec::new();
    for folder in source_folders(&files)
        .iter()
        .filter(|folder| *folder != UMBRELLA)
    {
        let krate = Crate::of(folder, &files);
        let imports = krate.modules.values().flat_map(|module| &module.imports);
        let whole = imports.filter(|import| import.is_public && is_crate(&import.path));
        problems.extend(
            whole.map(|import| format!("{folder}: hands on {} whole", import.path.join("::"))),
        );
    }
    assert_tidy(&problems);
}

#[test]
fn a_second_path_is_found_however_it_is_made() {
    let ways = [
        "pub mod a; pub use a::A;",
        "mod a; pub use a::A; pub use a::A as B;",
        "pub mod a; pub mod b { } pub use a::*;",
        "pub mod a; pub use crate::a::inner;",
    ];
    for root in ways {
        let files = [
            SourceFile::new("x/src/lib.rs", root),
            SourceFile::new("x/src/a.rs", "pub mod inner; pub struct A;"),
            SourceFile::new("x/src/a/inner.rs", "pub struct Inner;"),
        ];
        let paths = public_paths(&Crate::of("x/src", &files));
        assert!(!several("x/src", &paths).is_empty(), "{root}");
    }
}

#[test]
fn one_path_through_private_modules_is_no_problem() {
    let files = [
        SourceFile::new(
            "x/src/lib.rs",
            "mod a; pub mod b; pub use a::{A, inner::Inner}; use b::B; pub(crate) use b::C;",
        ),
        SourceFile::new(
            "x/src/a.rs",
            "pub mod inner; pub struct A; pub use inner::Inner;",
        ),
        SourceFile::new("x/src/a/inner.rs", "pub struct Inner;"),
        SourceFile::new("x/src/b.rs", "pub struct B; pub struct C;"),
    ];
    let paths = public_paths(&Crate::of("x/src", &files));
    assert_eq!(several("x/src", &paths), Vec::<String>::new());
    assert_eq!(paths.len(), 4);
}

fn several(folder: &str, paths: &Paths) -> Vec<String> {
    let mut problems = Vec::new();
    for paths in paths.values() {
        let told: Vec<&str> = paths
            .iter()
            .map(String::as_str)
            .filter(|path| !is_repeated(folder, path))
            .collect();
        if told.len() > 1 {
            problems.push(format!(
                "{folder}: one name, several paths: {}",
                told.join(", ")
            ));
        }
    }
    problems
}

fn is_repeated(folder: &str, path: &str) -> bool {
    folder == UMBRELLA && path.starts_with(&format!("{PRELUDE}::"))
}

fn is_crate(path: &[String]) -> bool {
    matches!(path, [only] if only.starts_with("hallpass"))
}

fn public_paths(krate: &Crate) -> Paths {
    let mut paths = Paths::new();
    gather(krate, &[], "", &mut paths);
    paths
}

/// Adds what the module at `at` shows, as seen under `prefix`.
fn gather(krate: &Crate, at: &[String], prefix: &str, paths: &mut Paths) {
    let Some(module) = krate.modules.get(at) else {
        return;
    };
    // A module that shows itself under two names is told by what is in it, and no path is longer than this.
    if prefix.matches("::").count() > 6 {
        return;
    }
    for (name, _) in module.items.iter().filter(|(_, is_public)| **is_public) {
        add(
            krate,
            Target::Item(at.to_vec(), name.clone()),
            &format!("{prefix}{name}"),
            paths,
        );
    }
    for (name, _) in module.children.iter().filter(|(_, is_public)| **is_public) {
        let child = Target::Module([at, std::slice::from_ref(name)].concat());
        add(krate, child, &format!("{prefix}{name}"), paths);
    }
    for import in module.imports.iter().filter(|import| import.is_public) {
        match krate.resolve(at, &import.path) {
            Some(Target::Item(to, star)) if star == "*" => gather(krate, &to, prefix, paths),
            Some(target) => add(krate, target, &format!("{prefix}{}", import.name), paths),
            None => {}
        }
    }
}

fn add(krate: &Crate, target: Target, path: &str, paths: &mut Paths) {
    match target {
        Target::Module(to) => gather(krate, &to, &format!("{path}::"), paths),
        target => {
            paths.entry(target).or_default().insert(path.to_owned());
        }
    }
}
