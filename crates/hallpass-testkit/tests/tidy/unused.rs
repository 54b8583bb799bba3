//! A dependency that is declared is named by the code, and one that only tests name is declared for them alone.

use std::collections::BTreeSet;

use crate::assert_tidy;
use crate::dependencies::{Manifest, manifests};
use crate::tree::{self, SourceFile};
use crate::words::has_word;

/// Crates that are declared for what they switch on, with the reason.
const NAMED_BY_NOBODY: [(&str, &str, &str); 0] = [];

#[test]
fn every_declared_dependency_is_named() {
    let files = tree::files(&[".rs"]).unwrap();
    let mut problems = Vec::new();
    for manifest in manifests() {
        problems.extend(unnamed(&manifest, &files));
    }
    assert_tidy(&problems);
}

#[test]
fn a_dependency_that_nobody_names_or_only_tests_name_is_found() {
    let manifest = Manifest::parse(
        "x/Cargo.toml",
        "[package]\nname = \"x\"\n[dependencies]\none-two.workspace = true\nthree = \"1\"\nfour = \"1\"\n[dev-dependencies]\nfive = \"1\"\nsix = \"1\"\n",
    );
    let files = [
        SourceFile::new(
            "x/src/lib.rs",
            "use one_two::A;\n#[cfg(test)]\nmod tests { use three::B; use five::C; }",
        ),
        SourceFile::new("x/tests/integration/main.rs", "use three::D;"),
        SourceFile::new("y/src/lib.rs", "use four::D; use six::E;"),
    ];
    let problems = unnamed(&manifest, &files);
    let told: Vec<&str> = problems
        .iter()
        .filter_map(|problem| problem.split('`').nth(1))
        .collect();
    assert_eq!(told, ["four", "three", "six"], "{problems:?}");
}

fn unnamed(manifest: &Manifest, files: &[SourceFile]) -> Vec<String> {
    let folder = manifest.folder();
    let ours: Vec<&SourceFile> = files
        .iter()
        .filter(|file| file.path.starts_with(folder))
        .collect();
    let code: Vec<&str> = ours
        .iter()
        .filter(|file| !file.is_test())
        .map(|file| before_tests(&file.text))
        .collect();
    let all: Vec<&str> = ours.iter().map(|file| file.text.as_str()).collect();
    let excused: BTreeSet<&str> = NAMED_BY_NOBODY
        .iter()
        .filter(|(name, ..)| *name == manifest.name)
        .map(|(_, dependency, _)| *dependency)
        .collect();
    let mut problems = Vec::new();
    for (section, texts) in [("dependencies", code), ("dev-dependencies", all)] {
        for dependency in manifest.declared(section) {
            let name = dependency.replace('-', "_");
            let named = texts
                .iter()
                .any(|text| text.lines().any(|line| has_word(line, &name)));
            if !named && !excused.contains(dependency.as_str()) {
                problems.push(format!(
                    "{}: [{section}] `{dependency}` is named by no code there",
                    manifest.path
                ));
            }
        }
    }
    problems
}

fn before_tests(text: &str) -> &str {
    text.split("\n#[cfg(test)]").next().unwrap_or_default()
}
