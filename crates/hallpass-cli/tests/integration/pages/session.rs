//! A session at a shell: commands one after the other in one folder, and an issuer in the background.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock, SystemClock};

use crate::issuer::Running;
use crate::pages::shown::{Block, Names, commands};
use crate::process::signal;

/// Where the page has its issuer listen; the test's listens wherever there is a place.
const ADDRESS: &str = "127.0.0.1:9000";
const ANY_ADDRESS: &str = "127.0.0.1:0";
/// In the fence of what may take a moment.
const UNTIL_SO: &str = "until it is so";
/// For what takes a third of a second on a machine that is idle.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Session {
    folder: tempfile::TempDir,
    names: Names,
    issuer: Option<Running>,
}

impl Session {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            names: Names::default(),
            issuer: None,
        }
    }

    /// Writes a file that the page shows, with the name in its fence.
    pub(crate) fn write(&self, block: &Block) {
        let text = block.text.replace(ADDRESS, ANY_ADDRESS);
        fs::write(self.folder.path().join(&block.mark), text).unwrap();
    }

    /// Runs the commands of a block, and holds what they say against it. How many there were.
    pub(crate) fn run(&mut self, block: &Block) -> usize {
        let commands = commands(block);
        for (command, shown) in &commands {
            let done = match (command.strip_suffix(" &"), *command) {
                (Some(command), _) => self.begin(command, shown),
                (None, "kill %1") => self.stop(),
                (None, "kill -HUP %1") => {
                    signal(&self.issuer.as_ref().unwrap().child, "HUP");
                    Ok(())
                }
                (None, command) => self.command(command, shown, block.mark == UNTIL_SO),
            };
            if let Err(problem) = done {
                panic!("line {}: {command}\n{problem}", block.line);
            }
        }
        commands.len()
    }

    /// Nothing of it runs on.
    pub(crate) fn end(self) {
        assert!(self.issuer.is_none(), "the page ends what it begins");
    }

    fn begin(&mut self, command: &str, shown: &[&str]) -> Result<(), String> {
        let mut shell = self.shell(&format!("exec {command}"));
        let issuer = Running::start_by(&mut shell);
        let said = issuer.introduction().replace(issuer.address(), ADDRESS);
        self.issuer = Some(issuer);
        self.names.fit(shown, &said)
    }

    fn stop(&mut self) -> Result<(), String> {
        match self.issuer.take().unwrap().stop() {
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
        let command = self.names.fill(command);
        let command = match &self.issuer {
            Some(issuer) => command.replace(ADDRESS, issuer.address()),
            None => command,
        };
        let clock = SystemClock::new();
        let end = clock.monotonic() + PATIENCE;
        loop {
            let output = self
                .shell(&format!("{{ {command}\n}} 2>&1"))
                .stdin(Stdio::null())
                .output()
                .unwrap();
            let mut said = String::from_utf8(output.stdout).unwrap();
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
