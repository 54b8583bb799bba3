//! Who may depend on whom, and what every manifest of ours says.

mod table;

use toml::{Table, Value};

use crate::assert_tidy;
use crate::tree::{self, SourceFile};
use table::MAY_DEPEND_ON;

/// The kit by which users test their services.
const TEST_KIT: &str = "hallpass-testkit";

/// Names that attract what has no owner.
const NAMES_WITHOUT_A_SUBJECT: [&str; 6] = ["common", "core", "util", "utils", "types", "helpers"];

#[test]
fn manifests_keep_the_dependency_table() {
    let manifests = manifests();
    assert_tidy(&table_problems(&manifests));
}

#[test]
fn every_crate_inherits_the_lints_and_has_a_subject() {
    assert_tidy(&form_problems(&manifests()));
}

#[test]
fn every_line_of_the_table_is_a_crate_of_the_workspace() {
    let manifests = manifests();
    for (name, _) in MAY_DEPEND_ON {
        assert!(
            manifests.iter().any(|m| m.name == name),
            "{name} is in the table, not in the tree"
        );
    }
}

#[test]
fn no_service_is_built_with_what_only_tests_may_do() {
    let manifests = manifests();
    let services = manifests
        .iter()
        .filter(|manifest| manifest.name != "hallpass-testkit");
    assert_tidy(&services.flat_map(test_feature_problems).collect::<Vec<_>>());
    let root = tree::files(&["Cargo.toml"]).unwrap_or_default();
    let root = root.iter().find(|file| file.path == "Cargo.toml");
    let root = root.and_then(|file| file.text.parse().ok()).unwrap();
    assert_tidy(&test_features_in("Cargo.toml", &root));
}

#[test]
fn a_test_feature_is_found_wherever_a_manifest_hides_it() {
    for careless in [
        "[features]\ndefault = [\"test-util\"]",
        "[features]\nfeign = [\"hallpass-token/test-util\"]",
        "[features]\nfeign = [\"hallpass-token?/test-util\"]",
        "[features]\nfeign = [\"other\"]\nother = [\"test-util\"]",
        "[dependencies]\ntokio = { version = \"1\", features = [\"test-util\"] }",
        "[build-dependencies]\ntokio = { version = \"1\", features = [\"test-util\"] }",
        "[target.'cfg(unix)'.dependencies]\ntokio = { version = \"1\", features = [\"test-util\"] }",
        "[workspace.dependencies]\ntokio = { version = \"1\", features = [\"test-util\"] }",
    ] {
        let table = careless.parse().unwrap();
        assert_eq!(test_features_in("sample", &table).len(), 1, "{careless}");
    }
    let careful = "[features]\ntest-util = [\"hallpass-token/test-util\"]\n\
                   [dev-dependencies]\ntokio = { version = \"1\", features = [\"test-util\"] }";
    assert_eq!(
        test_features_in("sample", &careful.parse().unwrap()),
        [""; 0]
    );
}

#[test]
fn a_forbidden_edge_is_found_wherever_the_manifest_hides_it() {
    let edges = [
        "[dependencies]\nhallpass-issuer.workspace = true",
        "[dev-dependencies]\nhallpass-issuer = { path = \"../hallpass-issuer\" }",
        "[build-dependencies]\nhallpass-issuer.workspace = true",
        "[target.'cfg(unix)'.dependencies]\nhallpass-issuer.workspace = true",
        "[dependencies]\nother = { package = \"hallpass-issuer\", path = \"x\" }",
    ];
    for edge in edges {
        let manifest = parse(&format!("[package]\nname = \"hallpass-token\"\n{edge}"));
        let problems = table_problems(&[manifest]);
        assert!(
            problems.iter().any(|p| p.contains("hallpass-issuer")),
            "{edge}"
        );
    }
}

#[test]
fn only_the_tests_of_an_example_use_the_test_kit() {
    let text = |section: &str| {
        format!("[package]\nname = \"shop\"\n[{section}]\nhallpass-testkit.workspace = true")
    };
    let problems = |path: &str, section: &str| {
        let manifest = Manifest::parse(path, &text(section));
        table_problems(&[manifest]).len()
    };
    assert_eq!(problems("examples/shop/Cargo.toml", "dev-dependencies"), 0);
    assert_eq!(problems("examples/shop/Cargo.toml", "dependencies"), 1);
    assert_eq!(problems("crates/shop/Cargo.toml", "dev-dependencies"), 1);
}

#[test]
fn a_crate_outside_the_table_is_found() {
    let manifest = parse("[package]\nname = \"hallpass-extra\"");
    assert_eq!(table_problems(&[manifest]).len(), 1);
}

#[test]
fn a_crate_with_lints_of_its_own_or_without_a_subject_is_found() {
    let own = parse("[package]\nname = \"hallpass-token\"\n[lints.rust]\nunsafe_code = \"allow\"");
    assert_eq!(form_problems(&[own]).len(), 1);
    let vague = parse("[package]\nname = \"hallpass-core\"\n[lints]\nworkspace = true");
    assert_eq!(form_problems(&[vague]).len(), 1);
}

/// A manifest that belongs to a crate.
pub(crate) struct Manifest {
    pub(crate) path: String,
    pub(crate) name: String,
    table: Table,
}

impl Manifest {
    pub(crate) fn parse(path: &str, text: &str) -> Self {
        manifest(&SourceFile::new(path, text)).unwrap_or_else(|| unreachable!("{text}"))
    }

    /// The folder of the crate, with `/` at its end.
    pub(crate) fn folder(&self) -> &str {
        self.path.strip_suffix("Cargo.toml").unwrap_or(&self.path)
    }

    /// The names under which `section` declares dependencies.
    pub(crate) fn declared(&self, section: &str) -> Vec<String> {
        let table = self.table.get(section).and_then(Value::as_table);
        table
            .into_iter()
            .flat_map(|table| table.keys().cloned())
            .collect()
    }
}

/// Every crate's manifest. Fuzz targets are workspaces of their own (they need a nightly compiler), so
/// neither the table nor the lints reach them.
pub(crate) fn manifests() -> Vec<Manifest> {
    let files = tree::files(&["Cargo.toml"]).unwrap_or_default();
    files
        .iter()
        .filter(|file| !file.path.contains("/fuzz/"))
        .filter_map(manifest)
        .collect()
}

fn manifest(file: &SourceFile) -> Option<Manifest> {
    let table: Table = file.text.parse().ok()?;
    let name = table.get("package")?.get("name")?.as_str()?.to_owned();
    Some(Manifest {
        path: file.path.clone(),
        name,
        table,
    })
}

fn table_problems(manifests: &[Manifest]) -> Vec<String> {
    let mut problems = Vec::new();
    for manifest in manifests {
        let Some((_, allowed)) = MAY_DEPEND_ON.iter().find(|(n, _)| *n == manifest.name) else {
            problems.push(format!(
                "{}: {} is not in the dependency table",
                manifest.path, manifest.name
            ));
            continue;
        };
        for named in dependencies(&manifest.table) {
            if named == TEST_KIT && only_tests_of_examples_use_it(manifest) {
                continue;
            }
            let ours = MAY_DEPEND_ON.iter().any(|(name, _)| *name == named);
            if ours && !allowed.contains(&named.as_str()) && !allowed.contains(&"*") {
                problems.push(format!(
                    "{}: {} may not depend on {named}",
                    manifest.path, manifest.name
                ));
            }
        }
    }
    problems
}

/// What shows users how services are tested may use what they would use, in its tests.
fn only_tests_of_examples_use_it(manifest: &Manifest) -> bool {
    let in_product = ["dependencies", "build-dependencies"]
        .iter()
        .any(|section| manifest.declared(section).iter().any(|it| it == TEST_KIT));
    manifest.path.starts_with("examples/") && !in_product
}

fn form_problems(manifests: &[Manifest]) -> Vec<String> {
    let mut problems = Vec::new();
    for manifest in manifests {
        let lints = manifest.table.get("lints").and_then(Value::as_table);
        let inherits = lints
            .and_then(|l| l.get("workspace"))
            .and_then(Value::as_bool)
            == Some(true);
        if !inherits {
            problems.push(format!("{}: lints.workspace must be true", manifest.path));
        }
        if manifest
            .name
            .split('-')
            .any(|part| NAMES_WITHOUT_A_SUBJECT.contains(&part))
        {
            problems.push(format!(
                "{}: {} says nothing about what it holds",
                manifest.path, manifest.name
            ));
        }
    }
    problems
}

fn test_feature_problems(manifest: &Manifest) -> Vec<String> {
    test_features_in(&manifest.path, &manifest.table)
}

/// Where a manifest switches on, outside of tests, what is made for tests: `test-util`, of whatever crate.
fn test_features_in(path: &str, manifest: &Table) -> Vec<String> {
    let names_it = |value: Option<&Value>| {
        let features = value.and_then(Value::as_array);
        let mut names = features.into_iter().flatten().filter_map(Value::as_str);
        names.any(|name| name.ends_with("test-util"))
    };
    let mut problems = Vec::new();
    let features = manifest.get("features").and_then(Value::as_table);
    for (feature, value) in features.into_iter().flatten() {
        if feature != "test-util" && names_it(Some(value)) {
            problems.push(format!("{path}: test-util by the feature {feature}"));
        }
    }
    let systems = manifest.get("target").and_then(Value::as_table);
    let systems = systems.into_iter().flat_map(Table::values);
    let workspace = manifest.get("workspace");
    let tables = systems.chain(workspace).filter_map(Value::as_table);
    for table in tables.chain([manifest]) {
        let sections = ["dependencies", "build-dependencies"].map(|name| table.get(name));
        let named = sections.into_iter().flatten().filter_map(Value::as_table);
        for (name, spec) in named.flatten() {
            if names_it(spec.get("features")) {
                problems.push(format!("{path}: test-util of {name}"));
            }
        }
    }
    problems
}

/// The crates that a manifest names under any kind of dependency, also those renamed or for one system.
fn dependencies(manifest: &Table) -> Vec<String> {
    let mut named = Vec::new();
    for (key, value) in manifest {
        let Some(table) = value.as_table() else {
            continue;
        };
        if key.ends_with("dependencies") {
            named.extend(table.iter().map(|(name, spec)| {
                let package = spec.get("package").and_then(Value::as_str);
                package.unwrap_or(name).to_owned()
            }));
        } else if key == "target" {
            for system in table.values().filter_map(Value::as_table) {
                named.extend(dependencies(system));
            }
        }
    }
    named
}

#[track_caller]
fn parse(text: &str) -> Manifest {
    Manifest::parse("sample/Cargo.toml", text)
}
