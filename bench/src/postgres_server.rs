//! A real PostgreSQL on loopback.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::children::{free_address, signal};
use crate::measure::Failure;
use crate::redis_server::until;

pub(crate) const USER: &str = "hallpass";
pub(crate) const PASSWORD: &str = "a password of measurements";

/// One server with the database `postgres`, ended when it is dropped.
pub(crate) struct PostgresServer {
    child: Child,
    pub(crate) port: u16,
    _folder: TempDir,
}

impl PostgresServer {
    pub(crate) async fn start() -> Result<Self, Failure> {
        let programs = programs().ok_or("PostgreSQL is not installed (Debian: postgresql)")?;
        let folder = tempfile::tempdir()?;
        initialize(&programs, folder.path())?;
        let port = free_address()?.port();
        let data = folder.path().join("data");
        let child = command(&programs.join("postgres"))
            .arg("-D")
            .arg(data)
            .args(["-c", &format!("port={port}")])
            .args(["-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories="])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self {
            child,
            port,
            _folder: folder,
        };
        let isready = programs.join("pg_isready");
        let port = port.to_string();
        until("PostgreSQL responds", || {
            let asked = Command::new(&isready)
                .args(["-q", "-h", "127.0.0.1", "-p", &port])
                .status();
            asked.is_ok_and(|status| status.success())
        })
        .await?;
        Ok(server)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let _ended_already = signal(&self.child, "QUIT");
        let _reaped = self.child.wait();
    }
}

fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let found = versions.flatten().map(|entry| entry.path().join("bin"));
    found.filter(|bin| bin.join("initdb").is_file()).max()
}

/// It refuses to run as root: then as the user that its package has made.
fn command(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid=postgres", "--regid=postgres", "--init-groups"])
        .arg(program);
    command
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

fn initialize(programs: &Path, folder: &Path) -> Result<(), Failure> {
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o711))?;
    let (data, password) = (folder.join("data"), folder.join("password"));
    std::fs::write(&password, PASSWORD)?;
    std::fs::create_dir(&data)?;
    if is_root() {
        let mut chown = Command::new("chown");
        chown.arg("postgres").args([&data, &password]).status()?;
    }
    let output = command(&programs.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args(["--auth=scram-sha-256", "--no-sync", "-U", USER])
        .arg(format!("--pwfile={}", password.display()))
        .current_dir("/")
        .output()?;
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
    }
}
