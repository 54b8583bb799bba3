//! What is released, made by `deploy/package.sh` of the executable of this build: the package for Debian, tried in a bare Debian, the archive, the
//! units of systemd, the list of what it is made of. What cannot be tried on a machine is skipped, with a line that says so.

mod bare;
mod container;
mod first_estate;
mod kubernetes;
mod made;
mod manifests;
mod sbom;
mod started;
mod tools;
mod units;

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use self::made::{Made, said};

pub(crate) use self::tools::sources;

#[test]
fn the_sums_are_of_what_was_made_and_making_it_again_changes_nothing() {
    let made = Made::get();
    let sums = fs::read_to_string(made.folder.join("SHA256SUMS")).unwrap();
    assert!(sums.lines().count() >= 2, "{sums}");
    let mut check = Command::new("sha256sum");
    check.args(["--check", "--strict", "SHA256SUMS"]);
    said(check.current_dir(&made.folder));
    let again = Made::anew("again", &[]);
    let sums_again = fs::read_to_string(again.folder.join("SHA256SUMS")).unwrap();
    assert_eq!(sums, sums_again);
    fs::remove_dir_all(again.folder).unwrap();
}

/// Whoever has no Debian unpacks this below `/usr/local`.
#[test]
fn the_archive_is_an_executable_with_its_pages_and_completions() {
    let made = Made::get();
    let folder = tempfile::tempdir().unwrap();
    let mut unpack = Command::new("tar");
    unpack.arg("-xzf").arg(made.file(".tar.gz"));
    unpack
        .args(["--strip-components=1", "--directory"])
        .arg(folder.path());
    said(&mut unpack);
    let version = said(Command::new(folder.path().join("bin/hallpass")).arg("-V"));
    assert_eq!(
        version.trim(),
        concat!("hallpass ", env!("CARGO_PKG_VERSION"))
    );
    for file in [
        "share/man/man1/hallpass-issuer.1.gz",
        "share/bash-completion/completions/hallpass",
        "share/zsh/vendor-completions/_hallpass",
        "share/fish/vendor_completions.d/hallpass.fish",
        "share/doc/hallpass/systemd/hallpass-gateway.service",
        "share/doc/hallpass/etc/sidecar.yaml",
        "share/doc/hallpass/LICENSE",
        "share/doc/hallpass/sbom.cdx.json",
    ] {
        let size = fs::metadata(folder.path().join(file)).map(|it| it.len());
        assert!(size.is_ok_and(|size| size > 100), "{file}");
    }
}

#[test]
fn there_is_a_page_for_each_command_and_completions_know_the_shell() {
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("not/there/yet");
    let written = crate::process::run(&["man", pages.to_str().unwrap()]);
    assert_eq!(
        (written.code, written.stdout.as_str()),
        (0, ""),
        "{written:?}"
    );
    let pages: BTreeSet<_> = fs::read_dir(&pages)
        .unwrap()
        .map(|page| page.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        pages,
        commands().iter().map(|it| format!("{it}.1")).collect()
    );
    let made = crate::process::run(&["man", "/dev/null/pages"]);
    assert_eq!(made.code, 1, "{made:?}");
    for (shell, program, arguments) in [
        ("bash", "bash", ["-n"]),
        ("zsh", "zsh", ["-n"]),
        ("fish", "fish", ["-n"]),
    ] {
        let script = folder.path().join(shell);
        fs::write(&script, crate::process::run(&["completions", shell]).stdout).unwrap();
        // Read, and not run; a shell that is not installed reads nothing.
        let mut reads = Command::new(program);
        if reads.arg("-c").arg("exit 0").output().is_ok() {
            said(Command::new(program).args(arguments).arg(&script));
        }
    }
}

/// `hallpass`, `hallpass-key`, `hallpass-key-list` and so on, from the help of each.
fn commands() -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    let mut left = vec![Vec::<String>::new()];
    while let Some(path) = left.pop() {
        let arguments: Vec<_> = path.iter().map(String::as_str).chain(["--help"]).collect();
        let help = crate::process::run(&arguments).stdout;
        all.insert([&["hallpass".to_owned()][..], &path].concat().join("-"));
        let below = help
            .split_once("\nCommands:\n")
            .map_or("", |(_, rest)| rest);
        let below = below.lines().take_while(|line| line.starts_with("  "));
        let names = below.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        let names = names.filter(|name| !name.is_empty() && *name != "help");
        left.extend(names.map(|name| [&path[..], &[name.to_owned()]].concat()));
    }
    all
}

/// What Debian's own checks of packages look at first.
#[test]
fn the_package_holds_what_a_package_may_hold() {
    let made = Made::get();
    let Some(package) = made.package() else {
        return;
    };
    let listed = said(Command::new("dpkg-deb").arg("--contents").arg(&package));
    let mut configuration = BTreeSet::new();
    for line in listed.lines() {
        let (mode, owner) = (&line[..10], line.split_whitespace().nth(1).unwrap());
        let path = line
            .split_whitespace()
            .nth(5)
            .unwrap()
            .trim_start_matches('.');
        assert_eq!(owner, "root/root", "{line}");
        let is_executable = path == "/usr/bin/hallpass";
        let expected = match mode.starts_with('d') {
            true => "drwxr-xr-x",
            false if is_executable => "-rwxr-xr-x",
            false => "-rw-r--r--",
        };
        assert_eq!(mode, expected, "{line}");
        assert!(
            path == "/" || path.starts_with("/usr/") || path.starts_with("/etc/"),
            "{line}"
        );
        if path.starts_with("/etc/") && !path.ends_with('/') {
            configuration.insert(path.to_owned());
        }
    }
    let conffiles = said(
        Command::new("dpkg-deb")
            .arg("--info")
            .arg(&package)
            .arg("conffiles"),
    );
    assert_eq!(
        configuration,
        conffiles.lines().map(str::to_owned).collect()
    );
    assert!(configuration.len() == 3, "{configuration:?}");
    let field = |name: &str| {
        said(
            Command::new("dpkg-deb")
                .arg("--field")
                .arg(&package)
                .arg(name),
        )
    };
    assert_eq!(field("Version").trim(), env!("CARGO_PKG_VERSION"));
    assert!(field("Depends").starts_with("passwd"));
    let kibibytes: u64 = field("Installed-Size").trim().parse().unwrap();
    assert!(kibibytes > 1_000, "{kibibytes}");
}
