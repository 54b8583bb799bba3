//! A real PostgreSQL for tests: started by them, and ended with the last of them that uses it.
//!
//! Included by path, since the crates that need it have no other in common that tests may name.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::Mutex;

/// The one that tests share which do nothing to it.
static SHARED: Mutex<Weak<PostgresServer>> = Mutex::const_new(Weak::new());
/// How often a port is tried that somebody else has taken meanwhile.
const TRIES: u32 = 10;
/// How long it may take to respond on a machine that does other things.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The user who owns the databases, and his password.
pub(crate) const USER: &str = "hallpass";
pub(crate) const PASSWORD: &str = "a password of tests";

/// One server, ended when it is dropped.
pub(crate) struct PostgresServer {
    programs: PathBuf,
    /// Its files; the user that it runs as can pass through.
    folder: tempfile::TempDir,
    /// Further lines of its configuration.
    options: Vec<String>,
    child: Child,
    pub(crate) port: u16,
}

/// The server that others use too, or `None`, which is said loudly.
pub(crate) async fn shared() -> Option<Arc<PostgresServer>> {
    let mut shared = SHARED.lock().await;
    if let Some(server) = shared.upgrade() {
        return Some(server);
    }
    let server = Arc::new(PostgresServer::start(&[]).await?);
    *shared = Arc::downgrade(&server);
    Some(server)
}

impl PostgresServer {
    /// One of one's own, with further settings (`name=value`), or `None`, which is said loudly.
    pub(crate) async fn start(options: &[&str]) -> Option<Self> {
        let Some(programs) = programs() else {
            let line = b"\n!! SKIPPED, a test with a real PostgreSQL: it is not installed\n";
            // No test runner keeps back what is written there.
            let _unheard = std::io::stderr().write_all(line);
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        initialize(&programs, folder.path());
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        for _ in 0..TRIES {
            let port = free_port();
            let mut child = spawn(&programs, folder.path(), (port, &options));
            if responds(&programs, port, &mut child).await {
                return Some(Self {
                    programs,
                    folder,
                    options,
                    child,
                    port,
                });
            }
        }
        panic!("PostgreSQL does not start:\n{}", log(folder.path()));
    }

    /// A new, empty database.
    pub(crate) async fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let create = format!("create database {name} template template0");
        self.sql("postgres", &create).await;
        name
    }

    /// What the statements print.
    pub(crate) async fn sql(&self, database: &str, sql: &str) -> String {
        self.sql_as((USER, PASSWORD), database, sql).await
    }

    /// The same as another user, or with another password.
    pub(crate) async fn sql_as(
        &self,
        (user, password): (&str, &str),
        database: &str,
        sql: &str,
    ) -> String {
        let mut command = self.psql((user, password), database);
        command.args(["-c", sql]).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output());
        let output = output.await.unwrap().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{sql}: {said}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// Somebody who has said this to the server, and says nothing more until he is dropped.
    pub(crate) fn session(&self, database: &str, sql: &str) -> Session {
        let mut command = self.psql((USER, PASSWORD), database);
        command.args(["-c", sql, "-f", "-"]).stdin(Stdio::piped());
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Session(child.unwrap())
    }

    fn psql(&self, (user, password): (&str, &str), database: &str) -> Command {
        let mut command = Command::new(self.programs.join("psql"));
        command
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"])
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string()])
            .args(["-U", user, "-d", database])
            .env("PGPASSWORD", password);
        command
    }

    /// From now on it speaks TLS with those who want it.
    pub(crate) async fn speak_tls(&self, certificate: &Path, key: &Path) {
        use std::os::unix::fs::PermissionsExt as _;
        let data = self.folder.path().join("data");
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = data.join(name);
            std::fs::write(&to, std::fs::read(from).unwrap()).unwrap();
            let private = std::fs::Permissions::from_mode(0o600);
            std::fs::set_permissions(&to, private).unwrap();
            if is_root() {
                let owned = Command::new("chown").arg("postgres").arg(&to).status();
                assert!(owned.unwrap().success());
            }
        }
        self.sql("postgres", "alter system set ssl = on").await;
        self.sql("postgres", "select pg_reload_conf()").await;
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.sql("postgres", "show ssl").await != "on" {
            assert!(
                tokio::time::Instant::now() < until,
                "{}",
                log(self.folder.path())
            );
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// Ends it as an operator does: connections are cut.
    pub(crate) async fn stop(&mut self) {
        signal("INT", [self.child.id()]);
        self.has_ended().await;
    }

    /// Ends it as a crash does.
    pub(crate) async fn kill(&mut self) {
        // Those it has made would be in the way of the next one.
        signal("KILL", self.stopped());
        self.has_ended().await;
    }

    /// It does nothing any more, and its connections stay open.
    pub(crate) fn freeze(&self) {
        signal("STOP", self.stopped());
    }

    /// It goes on.
    pub(crate) fn thaw(&self) {
        signal("CONT", self.processes());
    }

    /// Starts it again at the same port, with what it has.
    pub(crate) async fn start_again(&mut self) {
        for _ in 0..TRIES {
            let at = (self.port, self.options.as_slice());
            self.child = spawn(&self.programs, self.folder.path(), at);
            if responds(&self.programs, self.port, &mut self.child).await {
                return;
            }
            // The processes of one that was killed may still be ending.
            tokio::time::sleep(LOOK_AGAIN * 10).await;
        }
        panic!(
            "PostgreSQL does not start again:\n{}",
            log(self.folder.path())
        );
    }

    async fn has_ended(&mut self) {
        let until = tokio::time::Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(tokio::time::Instant::now() < until, "it does not end");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }

    /// All of its processes, of which the first one makes no more.
    fn stopped(&self) -> Vec<u32> {
        signal("STOP", [self.child.id()]);
        self.processes()
    }

    /// The first one, and those that it has made.
    fn processes(&self) -> Vec<u32> {
        let first = self.child.id();
        let mut all = vec![first];
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Some(id) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            // The name stands in brackets, and may hold anything.
            let rest = stat.rsplit_once(") ").map(|(_, rest)| rest);
            let parent = rest.and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
            if parent == Some(first) {
                all.push(id);
            }
        }
        all
    }
}

/// See [`PostgresServer::session`].
pub(crate) struct Session(Child);

impl Drop for Session {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        self.thaw();
        signal("QUIT", [self.child.id()]);
        let _reaped = self.child.wait();
    }
}

/// Where the programs are that start a server.
fn programs() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let found = versions.flatten().map(|entry| entry.path().join("bin"));
    let is_whole = |bin: &PathBuf| {
        let programs = ["initdb", "postgres", "pg_isready", "psql"];
        programs.iter().all(|program| bin.join(program).is_file())
    };
    found.filter(is_whole).max()
}

/// PostgreSQL refuses to run as root: then as the user that its package has made.
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
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|it| it.uid() == 0)
}

fn initialize(programs: &Path, folder: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let open = std::fs::Permissions::from_mode(0o711);
    std::fs::set_permissions(folder, open).unwrap();
    let (data, password) = (folder.join("data"), folder.join("password"));
    std::fs::write(&password, PASSWORD).unwrap();
    std::fs::create_dir(&data).unwrap();
    if is_root() {
        let owned = Command::new("chown")
            .arg("postgres")
            .args([&data, &password])
            .status();
        assert!(owned.unwrap().success());
    }
    let output = command(&programs.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args(["--auth=scram-sha-256", "--no-sync", "--encoding=UTF8"])
        // Texts are sorted as people do it, and not by their bytes.
        .args([
            "--locale=C.UTF-8",
            "--locale-provider=icu",
            "--icu-locale=en",
        ])
        .args(["-U", USER])
        .arg(format!("--pwfile={}", password.display()))
        .current_dir("/")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "initdb: {said}");
}

fn spawn(programs: &Path, folder: &Path, (port, options): (u16, &[String])) -> Child {
    let log = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join("log"))
        .unwrap();
    let mut command = command(&programs.join("postgres"));
    command.arg("-D").arg(folder.join("data"));
    let port = format!("port={port}");
    let ours = [
        &port,
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "fsync=off",
        "max_connections=60",
        "shared_buffers=16MB",
    ];
    for option in ours.into_iter().chain(options.iter().map(String::as_str)) {
        command.args(["-c", option]);
    }
    command
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap()
}

/// Whether it takes connections; `false` when it has ended.
async fn responds(programs: &Path, port: u16, child: &mut Child) -> bool {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        let ready = Command::new(programs.join("pg_isready"))
            .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
            .status()
            .unwrap();
        // Whoever responds is this one only while it lives: another one would have kept it from the port.
        if ready.success() && child.try_wait().unwrap().is_none() {
            return true;
        }
        assert!(tokio::time::Instant::now() < until, "it does not respond");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn signal(name: &str, processes: impl IntoIterator<Item = u32>) {
    let processes = processes.into_iter().map(|id| id.to_string());
    let _some_have_ended = Command::new("sh")
        .args([
            "-c",
            "signal=$1; shift; kill -s \"$signal\" \"$@\"",
            "sh",
            name,
        ])
        .args(processes)
        .stderr(Stdio::null())
        .status();
}

/// Below those that the system gives out by itself, so that it stays free while a server is away.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 400).unwrap() * 20;
    let number = first + NEXT.fetch_add(1, Ordering::Relaxed) % 8_000;
    22_000 + number % 8_000
}
