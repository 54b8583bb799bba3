//! The units of systemd: what they start is real, and what they forbid is enough.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::made::{is_installed, said, skip, tree};
use crate::process::{command, run, signal};
use crate::supervisor::Supervisor;

const ROLES: [&str; 3] = ["issuer", "gateway", "sidecar"];
/// Tenths of what `systemd-analyze security` calls exposure, of 100.
const MOST_EXPOSED: &str = "--threshold=15";

fn unit(role: &str) -> String {
    let path = tree().join(format!("deploy/systemd/hallpass-{role}.service"));
    fs::read_to_string(path).unwrap()
}

fn configuration(role: &str) -> String {
    let path = tree().join(format!("deploy/debian/etc/{role}.yaml"));
    path.to_str().unwrap().to_owned()
}

/// The values of a setting, in its order.
fn values<'a>(unit: &'a str, name: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines
        .filter(|(key, _)| *key == name)
        .map(|(_, value)| value)
        .collect()
}

/// A machine has as many of them as programs.
#[test]
fn a_sidecar_with_a_name_is_a_sidecar_with_files_of_its_own() {
    let named = unit("sidecar@");
    let alone = unit("sidecar");
    let of_one = named
        .replace("sidecar of %i:", "sidecar:")
        .replace("sidecar-%i", "sidecar");
    assert_eq!(of_one, alone);
    let places = [
        "/sidecar-%i.yaml",
        "/sidecar-%i.env",
        "=hallpass-sidecar-%i",
    ];
    for place in places {
        assert_eq!(named.matches(place).count(), 1, "{place}");
    }
}

/// Killed at the end.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn each_configuration_of_the_package_can_be_used() {
    for role in ROLES {
        let checked = run(&["config", "check", &configuration(role)]);
        assert_eq!(
            (checked.code, checked.stderr.as_str()),
            (0, ""),
            "{role}: {checked:?}"
        );
    }
}

/// By the unit's own command line, with the package's own configuration, but for addresses and folders of a test.
#[test]
fn what_a_unit_starts_says_that_it_serves_and_takes_a_reload() {
    for role in ROLES {
        let unit = unit(role);
        let start = values(&unit, "ExecStart");
        let [start] = start.as_slice() else {
            panic!("{start:?}")
        };
        let mut words = start.split(' ');
        assert_eq!(words.next(), Some("/usr/bin/hallpass"));
        let installed = format!("/etc/hallpass/{role}.yaml");
        let arguments: Vec<_> = words
            .map(|word| {
                if word == installed {
                    configuration(role)
                } else {
                    word.to_owned()
                }
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let mut server = command(&arguments);
        for (name, value) in elsewhere(role, folder.path()) {
            server.env(name, value);
        }
        server
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let supervisor = Supervisor::of(&mut server);
        let mut server = Server(server.spawn().unwrap());
        assert_eq!(values(&unit, "Type"), ["notify"]);
        assert_eq!(supervisor.hears(), "READY=1\n", "{role}");
        assert_eq!(values(&unit, "ExecReload"), ["/bin/kill -HUP $MAINPID"]);
        signal(&server.0, "HUP");
        assert!(supervisor.hears().starts_with("RELOADING=1\n"), "{role}");
        assert_eq!(supervisor.hears(), "READY=1\n", "{role}");
        signal(&server.0, "INT");
        assert_eq!(supervisor.hears(), "STOPPING=1\n", "{role}");
        assert_eq!(server.0.wait().unwrap().code(), Some(0), "{role}");
    }
}

/// In place of the ports and the folder that an installation has.
fn elsewhere(role: &str, folder: &Path) -> Vec<(&'static str, String)> {
    let free = || "127.0.0.1:0".to_owned();
    match role {
        "issuer" => {
            let store = folder.join("hallpass.db").to_str().unwrap().to_owned();
            vec![
                ("HALLPASS_ISSUER_STORE", store),
                ("HALLPASS_ISSUER_LISTEN", free()),
            ]
        }
        "gateway" => vec![
            ("HALLPASS_GATEWAY_LISTEN", free()),
            ("HALLPASS_GATEWAY_MANAGEMENT_LISTEN", free()),
        ],
        _ => vec![
            ("HALLPASS_SIDECAR_INBOUND_LISTEN", free()),
            ("HALLPASS_SIDECAR_MANAGEMENT_LISTEN", free()),
        ],
    }
}

/// The journal is read by many, and the secret of a first client is shown once.
#[test]
fn the_issuer_of_the_package_shows_no_secret_to_the_journal() {
    let unit = unit("issuer");
    assert!(values(&unit, "ExecStart")[0].ends_with(" --no-first-client"));
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path().join("hallpass.db");
    let mut issuer = command(&["issuer", "--listen", "127.0.0.1:0", "--no-first-client"]);
    issuer
        .env("HALLPASS_ISSUER_STORE", &store)
        .stdin(Stdio::null());
    issuer.stdout(Stdio::piped()).stderr(Stdio::piped());
    let supervisor = Supervisor::of(&mut issuer);
    let issuer = issuer.spawn().unwrap();
    assert_eq!(supervisor.hears(), "READY=1\n");
    signal(&issuer, "INT");
    let ended = issuer.wait_with_output().unwrap();
    let said = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    assert!(
        ended.status.success() && !said.contains("client secret"),
        "{said}"
    );
    let list = command(&["client", "list"])
        .env("HALLPASS_ISSUER_STORE", &store)
        .output()
        .unwrap();
    assert_eq!(
        (list.status.code(), list.stdout.len()),
        (Some(0), 0),
        "{list:?}"
    );
}

#[test]
fn systemd_finds_nothing_wrong_with_the_units_and_little_that_they_expose() {
    if !is_installed("systemd-analyze") {
        return skip("systemd is not installed").unwrap_or_default();
    }
    let folder = tempfile::tempdir().unwrap();
    let mut paths = Vec::new();
    for role in ROLES {
        let text = unit(role).replace("/usr/bin/hallpass", env!("CARGO_BIN_EXE_hallpass"));
        let path = folder.path().join(format!("hallpass-{role}.service"));
        fs::write(&path, text).unwrap();
        paths.push(path);
    }
    let mut verify = Command::new("systemd-analyze");
    let output = verify
        .args(["verify", "--man=no"])
        .args(&paths)
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    let ours = complaints
        .lines()
        .filter(|line| line.contains("hallpass"))
        .count();
    assert!(output.status.success() && ours == 0, "{complaints}");
    for path in paths {
        let mut security = Command::new("systemd-analyze");
        said(
            security
                .args(["security", "--offline=true", "--no-pager", MOST_EXPOSED])
                .arg(path),
        );
    }
}
