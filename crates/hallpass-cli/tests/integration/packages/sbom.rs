//! The list of what the executable is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use super::made::{Made, said, tree};
use super::tools::python;

fn document() -> Value {
    let text = fs::read_to_string(Made::get().file(".cdx.json")).unwrap();
    assert!(
        !text.contains(tree().canonicalize().unwrap().to_str().unwrap()),
        "a path of this machine"
    );
    serde_json::from_str(&text).unwrap()
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_else(|| panic!("{key} in {of}"))
}

#[test]
fn what_is_in_the_executable_is_listed_with_licence_and_checksum() {
    let document = document();
    let components = document["components"].as_array().unwrap();
    assert!(components.len() > 150, "{}", components.len());
    let by_name: BTreeMap<_, _> = components.iter().map(|it| (text(it, "name"), it)).collect();
    for (name, scope) in [
        ("hallpass-issuer", "required"),
        ("aws-lc-sys", "required"),
        ("libsqlite3-sys", "required"),
        ("rustls", "required"),
        ("mimalloc", "required"),
        // Code that writes code, and what compiles C.
        ("clap_derive", "excluded"),
        ("cc", "excluded"),
    ] {
        assert_eq!(text(by_name[name], "scope"), scope, "{name}");
    }
    for of_tests in ["insta", "proptest", "hallpass-testkit"] {
        assert!(!by_name.contains_key(of_tests), "{of_tests}");
    }
    let lock = fs::read_to_string(tree().join("Cargo.lock")).unwrap();
    for component in components {
        let (name, version) = (text(component, "name"), text(component, "version"));
        assert!(
            !text(&component["licenses"][0], "expression").contains('/'),
            "{component}"
        );
        if name.starts_with("hallpass") {
            continue;
        }
        assert_eq!(
            text(component, "purl"),
            format!("pkg:cargo/{name}@{version}")
        );
        let checksum = text(&component["hashes"][0], "content");
        let package = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        let of_lock = lock
            .split_once(&package)
            .unwrap()
            .1
            .split("[[package]]")
            .next()
            .unwrap();
        assert!(
            of_lock.contains(&format!("checksum = \"{checksum}\"")),
            "{component}"
        );
    }
}

#[test]
fn each_dependency_is_a_component_that_leads_to_the_executable() {
    let document = document();
    let root = text(&document["metadata"]["component"], "bom-ref").to_owned();
    assert_eq!(root, concat!("hallpass-cli@", env!("CARGO_PKG_VERSION")));
    let components = document["components"].as_array().unwrap();
    let mut known: BTreeSet<_> = components.iter().map(|it| text(it, "bom-ref")).collect();
    assert_eq!(known.len(), components.len(), "one is listed twice");
    known.insert(&root);
    let edges = document["dependencies"].as_array().unwrap();
    let edges: BTreeMap<_, _> = edges
        .iter()
        .map(|it| (text(it, "ref"), it["dependsOn"].as_array().unwrap()))
        .collect();
    let (mut reached, mut left) = (BTreeSet::new(), vec![root.as_str()]);
    while let Some(from) = left.pop() {
        if reached.insert(from) {
            left.extend(edges[from].iter().map(|it| it.as_str().unwrap()));
        }
    }
    assert_eq!(reached, known);
}

#[test]
fn the_list_keeps_the_schema_of_cyclonedx() {
    let Some(mut judge) = python("sbom.py") else {
        return;
    };
    let says = said(judge.arg(Made::get().file(".cdx.json")));
    assert!(says.contains("valid"), "{says}");
}
