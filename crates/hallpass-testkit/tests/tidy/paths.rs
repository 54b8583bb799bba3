//! One path for each public name: what a crate shows stands at its root or in a public module, never in both.

use std::collections::BTreeSet;

use syn::{File, Item, UseTree, Visibility};

use crate::assert_tidy;
use crate::tree::{self, SourceFile};

/// The crate whose purpose is to hand others on.
const FACADE: &str = "crates/hallpass/src/lib.rs";

#[test]
fn every_public_name_has_one_path_in_its_crate() {
    let roots = tree::files(&["lib.rs"]).unwrap();
    let libraries = roots.iter().filter(|root| root.path != FACADE);
    assert!(
        libraries.clone().count() > 8,
        "the libraries were not found"
    );
    assert_tidy(&libraries.flat_map(problems_in).collect::<Vec<_>>());
}

#[test]
fn a_second_path_is_found_whatever_it_is_written_like() {
    let second_paths = [
        "pub mod bearer; pub use bearer::Layer;",
        "pub mod bearer; pub use crate::bearer::{Layer, Service};",
        "pub mod bearer; pub use self::bearer::*;",
        "mod a; mod b; pub use a::Layer; pub use b::{Layer};",
        "pub use hallpass_token as token;",
        "pub use hallpass_token;",
    ];
    for text in second_paths {
        let root = SourceFile::new("src/lib.rs", text);
        assert!(!problems_in(&root).is_empty(), "{text}");
    }
    let one_path =
        "pub mod context; mod bearer; pub use bearer::Layer; pub use hallpass_token::Scope;";
    let root = SourceFile::new("src/lib.rs", one_path);
    assert_eq!(problems_in(&root), Vec::<String>::new());
}

fn problems_in(root: &SourceFile) -> Vec<String> {
    let Ok(parsed) = syn::parse_file(&root.text) else {
        return vec![format!("{}: cannot be parsed", root.path)];
    };
    let open = public_modules(&parsed);
    let mut seen = BTreeSet::new();
    let mut problems = Vec::new();
    for (from, name) in handed_on(&parsed) {
        if from.is_empty() {
            problems.push(format!("{}: hands on the crate {name}", root.path));
        }
        if let Some(module) = from.first().filter(|first| open.contains(*first)) {
            problems.push(format!("{}: {name} is public in {module} too", root.path));
        }
        if name != "*" && !seen.insert(name.clone()) {
            problems.push(format!("{}: hands on two things called {name}", root.path));
        }
    }
    problems
}

fn public_modules(root: &File) -> BTreeSet<String> {
    let modules = root.items.iter().filter_map(|item| match item {
        Item::Mod(module) if is_public(&module.vis) => Some(module.ident.to_string()),
        _ => None,
    });
    modules.collect()
}

/// What `pub use` hands on: the modules on the way, and the name under which it is seen.
fn handed_on(root: &File) -> Vec<(Vec<String>, String)> {
    let mut found = Vec::new();
    for item in &root.items {
        if let Item::Use(item) = item
            && is_public(&item.vis)
        {
            walk(&item.tree, &mut Vec::new(), &mut found);
        }
    }
    found
}

fn walk(tree: &UseTree, way: &mut Vec<String>, found: &mut Vec<(Vec<String>, String)>) {
    match tree {
        UseTree::Path(path) => {
            let here = ["crate", "self"].iter().any(|word| path.ident == word);
            if !here {
                way.push(path.ident.to_string());
            }
            walk(&path.tree, way, found);
            if !here {
                way.pop();
            }
        }
        UseTree::Name(name) => found.push((way.clone(), name.ident.to_string())),
        UseTree::Rename(rename) => found.push((way.clone(), rename.rename.to_string())),
        UseTree::Glob(_) => found.push((way.clone(), "*".to_owned())),
        UseTree::Group(group) => {
            for tree in &group.items {
                walk(tree, way, found);
            }
        }
    }
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}
