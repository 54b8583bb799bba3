//! The image of the `Containerfile`, made and run where no engine is: by `deploy/container.sh`, with the executable of this build.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::made::{said, skip, tree};
use crate::process::spawn;

/// Makes what it is given the root folder, which nobody may write but for `/data`, and runs the rest there as the first process of all.
const RUN: &str = r#"
    mount --bind "$1" "$1"
    mount -o remount,bind,ro "$1"
    mount --bind "$2" "$1/data"
    shift 2
    exec chroot "$@"
"#;

fn file(name: &str) -> String {
    fs::read_to_string(tree().join(name)).unwrap()
}

#[test]
fn the_image_is_built_by_the_compiler_that_everything_is_built_by() {
    let toolchain = file("rust-toolchain.toml");
    let version = toolchain
        .lines()
        .find_map(|line| line.strip_prefix("channel = "));
    let version = version.unwrap().trim_matches('"');
    let containerfile = file("Containerfile");
    assert!(containerfile.contains(&format!("FROM rust:{version}-slim-bookworm AS build\n")));
    assert!(containerfile.contains(&format!("ENV RUSTUP_TOOLCHAIN={version}\n")));
}

/// An image with what it needs to be run here.
struct Image {
    root: PathBuf,
    /// What is mounted at `/data`.
    data: PathBuf,
    user: String,
    entry: String,
}

impl Image {
    fn make(folder: &Path) -> Self {
        let (root, data) = (folder.join("image"), folder.join("data"));
        let mut make = Command::new(tree().join("deploy/container.sh"));
        make.args(["--executable", env!("CARGO_BIN_EXE_hallpass")]);
        let made = said(make.arg(&root));
        let version = concat!("hallpass ", env!("CARGO_PKG_VERSION"), "\ncommit ");
        assert!(made.starts_with(version), "{made}");
        let line = |name: &str| {
            let found = made.lines().find_map(|line| line.strip_prefix(name));
            found.unwrap().trim().to_owned()
        };
        // An executable of tests needs its libraries, which the one that is released does not.
        let libraries = folder.join("image.libraries");
        if libraries.exists() {
            said(
                Command::new("cp")
                    .arg("-R")
                    .arg(libraries.join("."))
                    .arg(&root),
            );
        }
        for folder in [&data, &root.join("data")] {
            fs::create_dir(folder).unwrap();
        }
        for (folder, mode) in [(&data, 0o777), (&folder.to_owned(), 0o755)] {
            fs::set_permissions(folder, fs::Permissions::from_mode(mode)).unwrap();
        }
        let (user, entry) = (line("user "), line("entrypoint "));
        Self {
            root,
            data,
            user,
            entry,
        }
    }
}

/// No shell, no user's name, no authorities, a root folder that nobody writes, the first process of all: the issuer serves there, and hears SIGTERM.
#[test]
fn the_image_runs_as_nobody_with_nothing_but_the_executable() {
    if !fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0) {
        return skip("only root can try the image").unwrap_or_default();
    }
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let image = Image::make(folder.path());
    let mut run = Command::new("unshare");
    run.args(["--mount", "--pid", "--fork", "--kill-child"]);
    run.args(["sh", "-euc", RUN, "sh"])
        .args([&image.root, &image.data]);
    run.arg(format!("--userspec={}", image.user));
    run.arg(&image.root).arg(&image.entry);
    run.args(["issuer", "--no-first-client", "--listen", "127.0.0.1:0"]);
    run.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    run.env("HALLPASS_ISSUER_STORE", "/data/hallpass.db");
    run.env("HALLPASS_ISSUER_DRAIN_DELAY_SECONDS", "0");
    let mut outside = spawn(&mut run);
    let mut lines = BufReader::new(outside.stdout.take().unwrap()).lines();
    let serves = lines.any(|line| line.unwrap().starts_with("listening on "));
    let children = format!("/proc/{0}/task/{0}/children", outside.id());
    let inside = fs::read_to_string(children).unwrap_or_default();
    if serves {
        let kill = ["-c", r#"kill -s TERM "$0""#, inside.trim()];
        let end = Command::new("sh").args(kill).status();
        assert!(end.unwrap().success());
    }
    let ended = outside.wait_with_output().unwrap();
    let log = String::from_utf8_lossy(&ended.stderr);
    assert!(serves && ended.status.success(), "{log}");
    let owner = fs::metadata(image.data.join("hallpass.db")).unwrap().uid();
    assert_eq!(owner.to_string(), image.user.split(':').next().unwrap());
}
