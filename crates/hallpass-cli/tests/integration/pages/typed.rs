//! Whole sessions that pages have their readers type.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::issuer::Running;
use crate::pages::shown::blocks;
use crate::process::command;

const CERTIFICATES: &str = include_str!("../../../../../docs/certificates.md");
const SIDECAR: &str = include_str!("../../../../../docs/sidecar.md");
/// What it builds, which is there already.
const BUILD: &str = "cargo build -p hallpass-cli && PATH=$PWD/target/debug:$PATH\n";
const FOLDER: &str = "/tmp/hello";
/// Of the client of the page about certificates.
const SECRET: &str = "a-secret-of-forty-characters-for-a-page-";
/// Where its programs listen; 9902 is the default of the management address.
const PORTS: [&str; 4] = ["9000", "8080", "8000", "9902"];
/// Whatever happens, nothing of it runs on, and nobody waits for it without an end.
const TO_THE_END: &str = "trap 'kill $(jobs -p) 2>/dev/null' EXIT; trap 'exit 1' TERM\n";

#[test]
fn what_the_page_about_sidecars_types_says_what_stands_there() {
    if is_skipped("sidecars", &["bash", "python3", "curl"]) {
        return;
    }
    let blocks = blocks(SIDECAR);
    let session = blocks.iter().find(|block| block.language == "sh").unwrap();
    let typed = session.text.strip_prefix(BUILD).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let typed = elsewhere(typed, folder.path());
    let executable = Path::new(env!("CARGO_BIN_EXE_hallpass")).parent().unwrap();
    let path = std::env::join_paths(
        [executable.to_owned()]
            .into_iter()
            .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let script = folder.path().join("session.sh");
    fs::write(&script, format!("{TO_THE_END}{typed}")).unwrap();
    let output = Command::new("timeout")
        .args(["90", "bash"])
        .arg(&script)
        .env("PATH", path.unwrap())
        .env_remove("RUST_LOG")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let whole = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("HTTP/1.1 401 Unauthorized"), "{whole}");
    let hello = "Hello from a program without a word of authentication";
    assert_eq!(
        said.matches(hello).count(),
        1,
        "to who has a token: {whole}"
    );
}

#[test]
fn what_the_page_about_certificates_types_brings_one() {
    if is_skipped("certificates", &["openssl", "curl"]) {
        return;
    }
    let blocks = blocks(CERTIFICATES);
    let of = |language: &str| {
        let those = blocks.iter().filter(|block| block.language == language);
        those.map(|block| block.text.clone()).collect::<Vec<_>>()
    };
    let (typed, shown) = (of("sh"), of("yaml"));
    let folder = tempfile::tempdir().unwrap();
    let type_in = |script: &str| {
        let output = Command::new("sh")
            .args(["-e", "-c", script])
            .current_dir(folder.path())
            .env("SECRET", SECRET)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{script}: {said}");
        String::from_utf8(output.stdout).unwrap()
    };
    type_in(&typed[0]);
    let secret = folder.path().join("order.secret");
    fs::write(&secret, SECRET).unwrap();
    let lines = shown[0].lines().map(|line| format!("  {line}\n"));
    let settings = format!("hallpass:\n{}", lines.collect::<String>())
        .replace("0.0.0.0:9443", "127.0.0.1:0")
        .replace("/run/secrets/order-service", secret.to_str().unwrap());
    fs::write(folder.path().join("issuer.yaml"), settings).unwrap();
    let mut start = command(&["issuer", "--config", "issuer.yaml"]);
    let issuer = Running::start_by(start.current_dir(folder.path()));
    let leads_here = format!(
        "curl() {{ command curl --fail --connect-to '::{}' \"$@\"; }}\n",
        issuer.shown("listening on ").unwrap()
    );
    let said = type_in(&format!("{leads_here}{}", typed[1]));
    let brought: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(brought["spiffe_id"], "spiffe://shop.example/order-service");
    let chain = brought["certificate_chain"].as_str().unwrap();
    assert!(chain.starts_with("-----BEGIN CERTIFICATE-----"), "{chain}");
    assert!(
        typed[2].starts_with("hallpass ca request "),
        "certificates.rs runs it"
    );
    assert_eq!((typed.len(), issuer.stop()), (3, 0));
}

/// Whether one of these programs is not there, which is said loudly.
fn is_skipped(page: &str, programs: &[&str]) -> bool {
    let is_there = |program: &str| Command::new(program).arg("version").output().is_ok();
    let missing = programs.iter().find(|program| !is_there(program));
    if let Some(program) = missing {
        let line = format!(
            "\n!! SKIPPED, the session of the page about {page}: {program} is not installed\n"
        );
        // No test runner keeps back what is written there.
        let _unheard = std::io::stderr().write_all(line.as_bytes());
    }
    missing.is_some()
}

/// The same in a folder and at ports of its own.
fn elsewhere(typed: &str, folder: &Path) -> String {
    let listeners: Vec<_> = PORTS
        .iter()
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    let ports = listeners
        .iter()
        .map(|it| it.local_addr().unwrap().port().to_string());
    let ports: BTreeMap<_, _> = PORTS.into_iter().zip(ports).collect();
    let managed = "  sidecar:\n    management: { listen: \"127.0.0.1:9902\" }\n";
    let mut typed = typed
        .replace(FOLDER, folder.join("hello").to_str().unwrap())
        .replace("  sidecar:\n", managed);
    // By another name first, since a port of theirs may be one of ours.
    for port in PORTS {
        typed = typed.replace(&format!("127.0.0.1:{port}"), &format!("127.0.0.1:<{port}>"));
        typed = typed.replace(&format!("server {port} "), &format!("server <{port}> "));
    }
    for (port, ours) in &ports {
        typed = typed.replace(&format!("<{port}>"), ours);
    }
    typed
}
