//! What systemd is told by the servers: `NOTIFY_SOCKET`, as sd_notify(3) describes it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::process::{command, signal};

/// A busy machine, and the drain of a gateway.
const LIMIT: Duration = Duration::from_secs(30);

/// The end of systemd.
pub(crate) struct Supervisor {
    socket: UnixDatagram,
    _folder: tempfile::TempDir,
}

impl Supervisor {
    /// `command` will find it.
    pub(crate) fn of(command: &mut Command) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        command.env("NOTIFY_SOCKET", &path);
        Self {
            socket,
            _folder: folder,
        }
    }

    /// The next message.
    pub(crate) fn hears(&self) -> String {
        let mut bytes = [0; 4_096];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap()
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

fn start(folder: &Path, arguments: &[&str]) -> (Server, Supervisor) {
    let mut command = command(arguments);
    command.current_dir(folder).stdin(Stdio::null());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let supervisor = Supervisor::of(&mut command);
    (Server(command.spawn().unwrap()), supervisor)
}

fn tells_its_whole_life(folder: &Path, arguments: &[&str]) {
    let (mut server, supervisor) = start(folder, arguments);
    assert_eq!(supervisor.hears(), "READY=1\n");
    signal(&server.0, "HUP");
    let reloading = supervisor.hears();
    let moment = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=");
    let moment = moment.and_then(|it| it.strip_suffix('\n'));
    assert!(
        moment.is_some_and(|it| it.parse::<u64>().is_ok()),
        "{reloading}"
    );
    assert_eq!(supervisor.hears(), "READY=1\n");
    signal(&server.0, "TERM");
    assert_eq!(supervisor.hears(), "STOPPING=1\n");
    // A second one ends the wait for a load balancer.
    signal(&server.0, "INT");
    assert_eq!(server.0.wait().unwrap().code(), Some(0));
}

#[test]
fn the_issuer_tells_its_supervisor_when_it_serves_reloads_and_ends() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "hallpass: { issuer: { clients: [{ client-id: a, client-secret: Secret-of-a-client-123, audiences: b }] } }";
    std::fs::write(folder.path().join("issuer.yaml"), settings).unwrap();
    let arguments = [
        "issuer",
        "--config",
        "issuer.yaml",
        "--listen",
        "127.0.0.1:0",
    ];
    tells_its_whole_life(folder.path(), &arguments);
}

#[test]
fn the_other_servers_tell_their_supervisor_too() {
    let folder = tempfile::tempdir().unwrap();
    let at = [
        "--listen",
        "127.0.0.1:0",
        "--management-listen",
        "127.0.0.1:0",
    ];
    tells_its_whole_life(folder.path(), &[&["authz"][..], &at].concat());
}

#[test]
fn a_supervisor_that_cannot_be_told_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = command(&[
        "authz",
        "--listen",
        "127.0.0.1:0",
        "--management-listen",
        "127.0.0.1:0",
    ]);
    command
        .current_dir(folder.path())
        .env("NOTIFY_SOCKET", folder.path().join("nobody"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut server = Server(command.spawn().unwrap());
    let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("listening on ")));
    signal(&server.0, "INT");
    let mut said = String::new();
    server
        .0
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(server.0.wait().unwrap().code(), Some(0), "{said}");
    assert!(said.contains("NOTIFY_SOCKET"), "{said}");
}
