//! `hallpass issuer` where the system lets it open few files and connections.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::issuer::Running;
use crate::process::signal;

/// An issuer under what `limit` makes of its limits, a line of the shell.
fn start(folder: &Path, limit: &str) -> Running {
    let mut command = Command::new("sh");
    command.env_remove("RUST_LOG").current_dir(folder).args([
        "-c",
        &format!(r#"{limit} && exec "$0" "$@""#),
        env!("CARGO_BIN_EXE_hallpass"),
        "issuer",
        "--listen=127.0.0.1:0",
        "--config=issuer.yaml",
    ]);
    Running::start_by(&mut command)
}

fn configuration(life: u32) -> String {
    format!("hallpass: {{ issuer: {{ token-life-seconds: {life} }} }}")
}

/// Opens so many connections; those that are not closed at once stay open with the result.
fn connect(issuer: &Running, count: usize) -> Vec<TcpStream> {
    let address = issuer.url("");
    let address = address.strip_prefix("http://").unwrap();
    let mut open = Vec::new();
    for _connection in 0..count {
        let mut stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .unwrap();
        // Closed or reset, or nothing to read yet.
        let end = stream.read(&mut [0]);
        if end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock) {
            open.push(stream);
        }
    }
    open
}

#[test]
fn connections_of_strangers_leave_descriptors_for_a_changed_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("issuer.yaml");
    fs::write(&file, configuration(60)).unwrap();
    let mut issuer = start(folder.path(), "ulimit -n 128");
    let mut open = connect(&issuer, 200);
    assert_eq!(open.len(), 96, "three quarters");
    fs::write(&file, configuration(90)).unwrap();
    signal(&issuer.child, "HUP");
    issuer.wait_for_log("loaded again");
    // Those who have a connection are served.
    let mut stream = open.pop().unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .unwrap();
    write!(
        stream,
        "GET /metrics HTTP/1.1\r\nhost: i\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    assert!(metrics.contains("reloads_total{result=\"refused\"} 0\n"));
    assert_eq!(issuer.stop(), 0);
}

#[test]
fn the_issuer_asks_for_as_many_descriptors_as_the_system_allows() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("issuer.yaml"), configuration(60)).unwrap();
    let issuer = start(folder.path(), "ulimit -Sn 64 && ulimit -Hn 512");
    assert_eq!(connect(&issuer, 100).len(), 100);
    assert_eq!(issuer.stop(), 0);
}
