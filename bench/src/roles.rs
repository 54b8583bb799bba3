//! What the executable costs while nobody asks it anything: its size, and for each of its servers the time until it serves, and memory.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::net::UnixDatagram;
use tokio::runtime::Runtime;
use tokio::time::Instant;

use crate::children::{PATIENCE, resident, signal, wait};
use crate::measure::{Failure, Outcome};
use crate::proxy_tools::hallpass;

/// Enough for a middle one.
const STARTS: usize = 21;
/// How long a server does nothing before its memory is read.
const IDLE: Duration = Duration::from_secs(10);

/// Those that listen, with addresses that are free and settings as they come.
const ROLES: [(&str, &str); 4] = [
    (
        "issuer",
        "issuer: { listen: '127.0.0.1:0', store: hallpass.db }",
    ),
    (
        "gateway",
        "gateway: { listen: '127.0.0.1:0', management: { listen: '127.0.0.1:0' }, routes: [] }",
    ),
    (
        "sidecar",
        "sidecar: { management: { listen: '127.0.0.1:0' }, inbound: { listen: '127.0.0.1:0', forward-to: 'http://127.0.0.1:9' } }",
    ),
    (
        "authz",
        "authz: { listen: '127.0.0.1:0', management: { listen: '127.0.0.1:0' } }",
    ),
];

/// One server's figures.
struct Row {
    role: &'static str,
    /// Until it said that it serves, sorted.
    starts: Vec<Duration>,
    /// Kibibytes: as soon as it serves, and after it has done nothing.
    serving: u64,
    idle: u64,
}

/// `roles [EXECUTABLE]`: of the one beside this program by default.
pub(crate) fn run(arguments: &[String]) -> Outcome<()> {
    let program = match arguments.first() {
        Some(path) => std::fs::canonicalize(path)?,
        None => hallpass()?,
    };
    let bytes = std::fs::metadata(&program)?.len();
    let rows = Runtime::new()?.block_on(async {
        let mut rows = Vec::new();
        for (role, section) in ROLES {
            rows.push(measured(&program, role, section).await?);
        }
        Ok::<_, Failure>(rows)
    })?;
    print(bytes, &rows);
    Ok(())
}

async fn measured(program: &Path, role: &'static str, section: &str) -> Result<Row, Failure> {
    let folder = tempfile::tempdir()?;
    let configuration = folder.path().join("hallpass.yaml");
    let name = "service: { name: idle }";
    let keys = "security: { internal-jwt: { jwks-url: 'http://127.0.0.1:9/oauth2/jwks' } }";
    std::fs::write(
        &configuration,
        format!("hallpass:\n  {name}\n  {keys}\n  {section}\n"),
    )?;
    let mut command = Command::new(program);
    command.args(["--log", "error", role, "--config"]);
    command.arg(&configuration).current_dir(folder.path());
    if role == "issuer" {
        command.arg("--no-first-client");
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    // The first one makes keys and tables.
    let mut started = Started::new(&mut command, folder.path()).await?;
    started.end().await?;
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        started = Started::new(&mut command, folder.path()).await?;
        starts.push(started.after);
        started.end().await?;
    }
    starts.sort_unstable();
    let mut started = Started::new(&mut command, folder.path()).await?;
    let serving = resident(&started.child)?;
    tokio::time::sleep(IDLE).await;
    let idle = resident(&started.child)?;
    started.end().await?;
    Ok(Row {
        role,
        starts,
        serving,
        idle,
    })
}

/// A server that has said that it serves.
struct Started {
    child: Child,
    after: Duration,
}

impl Started {
    async fn new(command: &mut Command, folder: &Path) -> Result<Self, Failure> {
        let path: PathBuf = folder.join("notify");
        if path.exists() {
            std::fs::remove_file(&path)?;
        }
        let socket = UnixDatagram::bind(&path)?;
        let begun = Instant::now();
        let mut child = command.env("NOTIFY_SOCKET", &path).spawn()?;
        let mut said = [0; 64];
        let heard = tokio::time::timeout(PATIENCE, socket.recv(&mut said)).await;
        let after = begun.elapsed();
        if !matches!(heard, Ok(Ok(_))) || !said.starts_with(b"READY=1") {
            child.kill()?;
            return Err(format!("{command:?} does not say that it serves").into());
        }
        Ok(Self { child, after })
    }

    async fn end(&mut self) -> Outcome<()> {
        signal(&self.child, "INT")?;
        match wait(&mut self.child).await? {
            true => Ok(()),
            false => Err("a server does not end".into()),
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is what the program is for")]
fn print(bytes: u64, rows: &[Row]) {
    println!("The executable: {:.1} MiB\n", bytes as f64 / 1_048_576.0);
    println!("| role | ready after, min / median / max | MiB resident, when ready / after 10 s |");
    println!("|---|---|---|");
    for row in rows {
        let millis = |at: usize| {
            row.starts
                .get(at)
                .map_or(f64::NAN, |it| it.as_secs_f64() * 1e3)
        };
        let mebibytes = |kibibytes: u64| kibibytes as f64 / 1_024.0;
        println!(
            "| `{}` | {:.1} / {:.1} / {:.1} ms | {:.1} / {:.1} |",
            row.role,
            millis(0),
            millis(STARTS / 2),
            millis(STARTS - 1),
            mebibytes(row.serving),
            mebibytes(row.idle)
        );
    }
}
