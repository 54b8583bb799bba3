//! `docs/first-estate.md`, command by command, in a bare Debian. No systemd runs there: `tests/packages/systemctl` stands in for it, and reads the units.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use super::bare::Debian;
use super::made::{Made, is_installed, skip};
use super::sources;
use crate::pages::shown::{Names, blocks};

const PAGE: &str = include_str!("../../../../../docs/first-estate.md");
const STATED: &str = "**8 commands**";
const OTHERS: [&str; 3] = [
    include_str!("../../../../../README.md"),
    include_str!("../../../../../docs/getting-started.md"),
    include_str!("../../../../../docs/install.md"),
];
/// Those that need a network. What comes after them has none but its own loopback: its ports are free.
const INSTALL: usize = 2;
/// Between what one command says and what the next one does.
const END: &str = "---- end of a command ----";
/// A test does not wait for two minutes.
const RULES: &str = "/usr/share/hallpass/prometheus/rules/estate.yaml";
const HOLD: [&str; 2] = ["for: 2m", "for: 5s"];
/// What apt says where a mirror does not respond.
const UNREACHABLE: &str = "Failed to fetch";
const FIRING: &str = "alertstate=\"firing\"";

/// A command, and what the page shows of what it says.
fn commands() -> Vec<(String, Option<String>)> {
    let blocks = blocks(PAGE);
    let mut commands: Vec<(String, Option<String>)> = Vec::new();
    for block in &blocks {
        match (block.language.as_str(), commands.last_mut()) {
            ("sh", _) => commands.push((block.text.trim().to_owned(), None)),
            ("text", Some((_, shown))) => *shown = Some(block.text.clone()),
            _ => {}
        }
    }
    commands
}

#[test]
fn the_page_states_how_many_commands_it_takes_and_each_is_one_line() {
    let commands = commands();
    assert!(PAGE.contains(STATED));
    assert_eq!(STATED, format!("**{} commands**", commands.len()));
    for (command, _) in &commands {
        assert!(
            !command.contains(['\n', ';']) && !command.contains("&&"),
            "{command}"
        );
    }
    for page in OTHERS {
        assert!(page.contains("8 commands"), "{page}");
    }
}

#[test]
fn a_bare_debian_becomes_an_estate_by_the_commands_of_the_page() {
    let Some(package) = Made::get().package() else {
        return;
    };
    if !is_installed("unshare") || !is_installed("ip") {
        return skip("the first estate needs unshare and ip").unwrap_or_default();
    }
    let Some(debian) = Debian::bare("--variant=apt") else {
        return;
    };
    let folder = debian.path("/root");
    fs::copy(&package, folder.join(package.file_name().unwrap())).unwrap();
    let stand_in = debian.path("/usr/local/bin/systemctl");
    fs::copy(sources().join("systemctl"), &stand_in).unwrap();
    fs::set_permissions(&stand_in, fs::Permissions::from_mode(0o755)).unwrap();
    let commands = commands();
    let (install, rest) = commands.split_at(INSTALL);
    for (command, _) in install {
        let done = session(&debian, "", command);
        let said = String::from_utf8_lossy(&done.stderr);
        let is_first = *command == install[0].0;
        if !done.status.success() && (is_first || said.contains(UNREACHABLE)) {
            return skip(&format!("a bare Debian has no packages: {said}")).unwrap_or_default();
        }
        assert!(done.status.success(), "{command}\n{said}");
    }
    let rules = fs::read_to_string(debian.path(RULES)).unwrap();
    fs::write(debian.path(RULES), rules.replace(HOLD[0], HOLD[1])).unwrap();
    becomes_an_estate(&debian, rest);
}

fn becomes_an_estate(debian: &Debian, commands: &[(String, Option<String>)]) {
    let ((last, _), before) = commands.split_last().unwrap();
    let mut script = String::new();
    for (command, _) in before {
        script.push_str(&format!("{command}\necho '{END}'\n"));
    }
    // As a reader does who sees that it is pending.
    script.push_str(&format!(
        "for _ in $(seq 120); do said=$({last}); case $said in *'{FIRING}'*) break;; esac; sleep 0.5; done\necho \"$said\"\n"
    ));
    let output = session(debian, "--net", &script);
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}\n{errors}");
    let each: Vec<_> = said.split(&format!("{END}\n")).collect();
    assert_eq!(each.len(), commands.len(), "{said}\n{errors}");
    for ((command, shown), said) in commands.iter().zip(each) {
        let shown: Vec<_> = shown.as_deref().unwrap_or_default().lines().collect();
        if let Err(problem) = Names::default().fit(&shown, said) {
            panic!("{command}\n{problem}\n{errors}");
        }
    }
}

/// A shell of root in it, with processes of its own: none of them outlives it.
fn session(debian: &Debian, network: &str, script: &str) -> Output {
    let root = debian.path("/");
    let file = debian.path("/root/session.sh");
    fs::write(&file, format!("set -e\ncd /root\n{script}")).unwrap();
    let up = if network.is_empty() {
        ""
    } else {
        "ip link set lo up && "
    };
    let inside = "env -i DEBIAN_FRONTEND=noninteractive HOME=/root PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let enter = format!(
        "{up}mount -t proc proc \"$1/proc\" && mount --bind /dev \"$1/dev\" && exec {inside} chroot \"$1\" bash /root/session.sh"
    );
    let names = Path::new("/etc/resolv.conf");
    if names.exists() {
        fs::copy(names, debian.path("/etc/resolv.conf")).unwrap();
    }
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "--pid", "--fork", "--kill-child"]);
    shell.args(Some(network).filter(|it| !it.is_empty()));
    shell.args(["sh", "-c", &enter, "sh"]).arg(root);
    shell.output().unwrap()
}
