//! What kustomize makes of `deploy/kubernetes`, once for all tests.

use std::fs;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;

use super::made::{said, tree};
use super::tools::{kustomize, python};

/// The oldest version with sidecar containers, and the newest one that the judge knows.
const VERSIONS: &str = "1.29,1.37";

/// The folders that can be applied.
const BUILT: [&str; 5] = [
    "issuer",
    "gateway",
    "example/auth",
    "example/edge",
    "example/shop",
];

/// What one folder becomes.
pub(crate) struct Manifests {
    pub(crate) folder: &'static str,
    documents: Vec<Value>,
}

impl Manifests {
    /// All of them, each held against the schemas of Kubernetes; `None`, said loudly, where the judges cannot be had.
    pub(crate) fn all() -> Option<&'static [Self]> {
        static ALL: OnceLock<Option<Vec<Manifests>>> = OnceLock::new();
        let all = ALL.get_or_init(|| {
            let kustomize = kustomize()?;
            let build = |folder| {
                let mut build = Command::new(&kustomize);
                let text = said(
                    build
                        .arg("build")
                        .arg(tree().join("deploy/kubernetes").join(folder)),
                );
                let documents = judged(&text)?;
                Some(Self {
                    folder,
                    documents: documents.unwrap_or_else(|error| panic!("{folder}: {error}")),
                })
            };
            BUILT.into_iter().map(build).collect()
        });
        all.as_deref()
    }

    pub(crate) fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.documents.iter().filter(move |it| it["kind"] == kind)
    }

    pub(crate) fn one(&self, kind: &str) -> &Value {
        let mut found = self.documents.iter().filter(|it| it["kind"] == kind);
        let first = found
            .next()
            .unwrap_or_else(|| panic!("{}: no {kind}", self.folder));
        assert!(found.next().is_none(), "{}: two of {kind}", self.folder);
        first
    }

    /// The kinds, sorted.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<_> = self
            .documents
            .iter()
            .map(|it| it["kind"].as_str().unwrap())
            .collect();
        kinds.sort_unstable();
        kinds
    }
}

/// The documents of a text, or what is wrong with them; `None` where there is no judge.
pub(crate) fn judged(text: &str) -> Option<Result<Vec<Value>, String>> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("manifests.yaml");
    fs::write(&file, text).unwrap();
    let output = python("manifests.py")?
        .arg(VERSIONS)
        .arg(&file)
        .output()
        .unwrap();
    Some(match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    })
}
