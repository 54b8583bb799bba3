//! Programs of others that judge what is released: packages of Python and Go, kept below the build's own folder with those of the other tests.

#[path = "../../../../hallpass-testkit/tests/clients/tools.rs"]
#[expect(
    dead_code,
    reason = "the tests with other people's clients use all of it"
)]
mod clients;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::made::{room, said, skip, tree};

const KUSTOMIZE: &str = "sigs.k8s.io/kustomize/kustomize/v5";

/// Where the judges stand.
pub(crate) fn sources() -> PathBuf {
    tree().join("tests/packages")
}

/// A program in Python, with the packages that it needs; `None`, said loudly, where these cannot be had.
pub(crate) fn python(program: &str) -> Option<Command> {
    clients::Tools::of_tests().python(program)
}

/// kustomize, built once for each state of its module. What Go keeps of a build is larger than all of its downloads, and goes away at once.
pub(crate) fn kustomize() -> Option<PathBuf> {
    let _room = room();
    let module = sources().join("kustomize");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("packages/kustomize");
    let changed = |path: &Path| fs::metadata(path).and_then(|data| data.modified());
    if changed(&program).is_ok_and(|built| changed(&module.join("go.sum")).unwrap() < built) {
        return Some(program);
    }
    // The environment brings Go.
    python("manifests.py")?;
    let go = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients/environment/bin/go");
    let kept = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let go = |arguments: &[&str]| {
        let mut command = Command::new(&go);
        command.args(arguments).current_dir(&module);
        command.env("GOCACHE", kept.path().join("build"));
        command.env("GOMODCACHE", kept.path().join("modules"));
        command
    };
    let fetched = go(&["mod", "download", "-modcacherw"]).output().unwrap();
    if !fetched.status.success() {
        let said = String::from_utf8_lossy(&fetched.stderr);
        return skip(&format!("kustomize cannot be fetched: {said}"));
    }
    let mut build = go(&["build", "-mod=readonly", "-modcacherw", "-o"]);
    said(build.arg(&program).arg(KUSTOMIZE));
    Some(program)
}
