//! A session at a shell: commands one after the other in one folder, and programs in the background.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};

use crate::issuer::Running;
use crate::pages::places::Places;
use crate::pages::shown::{Block, Names, commands};
use crate::postgres_server::{PASSWORD, PostgresServer, USER, shared};
use crate::process::signal;

/// In the fence of what may take a moment.
const UNTIL_SO: &str = "until it is so";
/// In the fence of what needs a program that may not be there.
const WITH: &str = "with ";
/// In the fence of what needs a database.
const ON_POSTGRES: &str = "on PostgreSQL";
/// Where a page has it, and who owns it; his password stands in `db.password`.
const DATABASE: &str = "127.0.0.1:5432/hallpass";
const OWNER: &str = "username: auth";
/// For what takes a third of a second on a machine that is idle.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Session {
    folder: tempfile::TempDir,
    names: Names,
    places: Places,
    /// What runs in the background, by its number.
    jobs: BTreeMap<usize, Running>,
    database: OnceCell<Option<Database>>,
}

/// An empty one, made when a page has one.
struct Database {
    server: Arc<PostgresServer>,
    name: String,
}

impl Database {
    /// `None` where no server can be had, which is said there.
    #[tokio::main(flavor = "current_thread")]
    async fn start() -> Option<Self> {
        let server = shared().await?;
        let name = server.database().await;
        Some(Self { server, name })
    }

    fn place(&self) -> String {
        format!("127.0.0.1:{}/{}", self.server.port, self.name)
    }
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            names: Names::default(),
            places: Places::default(),
            jobs: BTreeMap::new(),
            database: OnceCell::new(),
        }
    }

    fn database(&self) -> Option<&Database> {
        self.database.get_or_init(Database::start).as_ref()
    }

    /// Writes a file that the page shows, with the name in its fence.
    pub(crate) fn write(&mut self, block: &Block) {
        let mut text = self.places.real(&block.text);
        if text.contains(DATABASE)
            && let Some(database) = self.database()
        {
            text = text.replace(DATABASE, &database.place());
            text = text.replace(OWNER, &format!("username: {USER}"));
            fs::write(self.folder.path().join("db.password"), PASSWORD).unwrap();
        }
        fs::write(self.folder.path().join(&block.mark), text).unwrap();
    }

    /// Writes a file that the test has made of what a page shows.
    pub(crate) fn put(&self, name: &str, text: &str) {
        fs::write(self.folder.path().join(name), text).unwrap();
    }

    /// Where the commands run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs the commands of a block, and holds what they say against it. How many there were.
    pub(crate) fn run(&mut self, block: &Block) -> usize {
        if let Some(program) = missing(&block.mark) {
            let line = block.line;
            eprintln!("\n!! SKIPPED, the commands of line {line}: there is no {program}");
            return 0;
        }
        if block.mark.starts_with(ON_POSTGRES) && self.database().is_none() {
            return 0;
        }
        let commands = commands(block);
        for (command, shown) in &commands {
            let job = |prefix| -> Option<usize> { command.strip_prefix(prefix)?.parse().ok() };
            let done = if let Some(command) = command.strip_suffix(" &") {
                self.begin(command, shown)
            } else if let Some(job) = job("kill %") {
                self.stop(job)
            } else if let Some(job) = job("kill -HUP %") {
                signal(&self.jobs[&job].child, "HUP");
                Ok(())
            } else {
                self.command(command, shown, block.mark.ends_with(UNTIL_SO))
            };
            if let Err(problem) = done {
                panic!("line {}: {command}\n{problem}", block.line);
            }
        }
        commands.len()
    }

    /// Nothing of it runs on.
    pub(crate) fn end(self) {
        assert!(self.jobs.is_empty(), "the page ends what it begins");
    }

    fn begin(&mut self, command: &str, shown: &[&str]) -> Result<(), String> {
        let command = self.places.real(command);
        let mut shell = self.shell(&format!("exec {command}"));
        let job = Running::start_by(&mut shell);
        let said = self.on_page(&job.introduction());
        let number = (1..).find(|number| !self.jobs.contains_key(number));
        self.jobs.insert(number.unwrap(), job);
        self.names.fit(shown, &said)
    }

    fn stop(&mut self, job: usize) -> Result<(), String> {
        match self.jobs.remove(&job).unwrap().stop() {
            0 => Ok(()),
            code => Err(format!("it has ended with {code}")),
        }
    }

    fn command(
        &mut self,
        command: &str,
        shown: &[&str],
        takes_a_moment: bool,
    ) -> Result<(), String> {
        let command = self.places.real(&self.names.fill(command));
        let clock = SystemClock::new();
        let end = clock.monotonic() + PATIENCE;
        loop {
            let output = self
                .shell(&format!("{{ {command}\n}} 2>&1"))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let mut said = self.on_page(&String::from_utf8(output.stdout).unwrap());
            if !output.status.success() {
                said.push_str(&format!("(it has ended with {})\n", output.status));
            }
            let fits = self.names.fit(shown, &said);
            if fits.is_ok() || !takes_a_moment || clock.monotonic() > end {
                return fits;
            }
            thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// What was said, as the page shows it.
    fn on_page(&self, said: &str) -> String {
        let database = self.database.get().and_then(Option::as_ref);
        let said = database.map_or_else(
            || said.to_owned(),
            |database| said.replace(&database.place(), DATABASE),
        );
        self.places.shown(&said)
    }

    /// A shell in the folder, which finds the executable by its name.
    fn shell(&self, command: &str) -> Command {
        let executable = Path::new(env!("CARGO_BIN_EXE_hallpass"));
        let folder = executable.parent().unwrap().to_str().unwrap();
        let mut shell = Command::new("sh");
        shell
            .args(["-c", &format!("PATH={folder}:$PATH; {command}")])
            .current_dir(self.folder.path())
            .env_remove("RUST_LOG");
        shell
    }
}

/// The program that a block needs and that is not installed.
fn missing(mark: &str) -> Option<&str> {
    let needed = mark.strip_prefix(WITH)?;
    let program = needed.split(',').next()?;
    let look = format!("command -v {program}");
    let found = Command::new("sh").args(["-c", &look]).output().unwrap();
    (!found.status.success()).then_some(program)
}
