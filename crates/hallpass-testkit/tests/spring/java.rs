//! Spring Boot programs of `tests/spring`, `deploy/proxies` and `examples/sidecar`, built with Maven and run by the JVM.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::Duration;

/// Longer than the slowest start on a busy machine.
const START: Duration = Duration::from_secs(240);
/// How often a program is started that ends before it has.
const STARTS: usize = 3;
/// What Maven says when it cannot get a package.
const WITHOUT_PACKAGES: [&str; 4] = [
    "was not found in",
    "Could not transfer",
    "Could not find artifact",
    "Non-resolvable parent POM",
];

/// Where programs are: those of tests, and those that people take.
const FOLDERS: [&str; 3] = ["tests/spring", "deploy/proxies", "examples/sidecar"];

/// What docs/proxies.md says was run, of products that the program itself names in another version.
const VERSIONS: [(&str, &str); 1] = [("shenyu", "-Dshenyu.version=2.7.2-SNAPSHOT")];

/// One program at a time is built: Maven does not share its folder of packages well.
static BUILDING: Mutex<()> = Mutex::new(());

/// A running Spring Boot program; killed when dropped.
pub(crate) struct SpringBoot {
    child: Child,
    address: SocketAddr,
    /// What it puts aside; a process that is killed leaves that behind.
    _aside: tempfile::TempDir,
}

impl SpringBoot {
    /// Builds and starts the program `name` with these properties, on `127.0.0.1` and this port; 0 is a
    /// free one. Its exceptions go to standard error. `None`, with a line that says so, where there is no JDK, no Maven or no way to get packages.
    pub(crate) fn start(name: &str, port: u16, properties: &[String]) -> Option<Self> {
        let here = [
            "server.address=127.0.0.1".to_owned(),
            format!("server.port={port}"),
        ];
        Self::start_by(
            name,
            &["-Xmx256m".to_owned()],
            &[&here[..], properties].concat(),
        )
    }

    /// The same with these options of the JVM, at the address that its properties say. A program that gives up while it
    /// starts is started again: on a busy machine an embedded database does, after a fixed number of seconds.
    pub(crate) fn start_by(name: &str, jvm: &[String], properties: &[String]) -> Option<Self> {
        Self::start_prepared(name, jvm, properties, || {})
    }

    /// The same after `prepare`, which is called before each start: what a program leaves that has given up may stop the next one.
    pub(crate) fn start_prepared(
        name: &str,
        jvm: &[String],
        properties: &[String],
        prepare: impl Fn(),
    ) -> Option<Self> {
        let program = build(name)?;
        for attempt in 1..=STARTS {
            prepare();
            if let Some(started) = Self::run(&program, jvm, properties) {
                return Some(started);
            }
            let _unheard = writeln!(
                std::io::stderr(),
                "{name} did not start, attempt {attempt} of {STARTS}; what it says above has more"
            );
        }
        panic!("{name} did not start; its standard error has more");
    }

    fn run(program: &Path, jvm: &[String], properties: &[String]) -> Option<Self> {
        let aside = tempfile::tempdir().unwrap();
        let mut child = Command::new("java")
            .arg("-XX:TieredStopAtLevel=1")
            .arg(format!("-Djava.io.tmpdir={}", aside.path().display()))
            .args(jvm)
            .arg("-jar")
            .arg(program)
            .args(properties.iter().map(|property| format!("--{property}")))
            // Closed when this process ends, however it does.
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, started) = mpsc::channel();
        // It reads to the end, so that the program never waits for its reader.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if line.contains("Exception: ") {
                    let _unheard = writeln!(std::io::stderr(), "{line}");
                }
                if let Some((_, rest)) = line.split_once(" started on port ") {
                    let port = rest
                        .split_whitespace()
                        .next()
                        .and_then(|port| port.parse().ok());
                    let _nobody_waits_any_more = sender.send(port);
                }
            }
        });
        let port: Option<u16> = started.recv_timeout(START).unwrap_or_default();
        let program = Self {
            child,
            address: SocketAddr::from(([127, 0, 0, 1], port.unwrap_or_default())),
            _aside: aside,
        };
        // Dropped, it is killed.
        port.is_some().then_some(program)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for SpringBoot {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _ended = self.child.wait();
    }
}

/// The program as a file, built anew when one of its sources is newer.
fn build(name: &str) -> Option<PathBuf> {
    let _one_at_a_time = BUILDING
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for (tool, version) in [("java", "-version"), ("mvn", "--version")] {
        let found = Command::new(tool).arg(version).output();
        if !found.is_ok_and(|found| found.status.success()) {
            return skip(&format!("{tool} is not installed"));
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut folders = FOLDERS.iter().map(|folder| root.join(folder).join(name));
    let sources = folders.find(|sources| sources.exists()).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("spring")
        .join(name);
    let program = target.join(format!("{name}.jar"));
    if is_newer(&program, &sources) {
        return Some(program);
    }
    let built = Command::new("mvn")
        .args([OsStr::new("-q"), OsStr::new("-B"), OsStr::new("-f")])
        .arg(sources.join("pom.xml"))
        .arg(format!("-Dhallpass.target={}", target.display()))
        .args(VERSIONS.iter().filter(|it| it.0 == name).map(|it| it.1))
        .arg("package")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&built.stdout);
    if !built.status.success()
        && WITHOUT_PACKAGES
            .iter()
            .any(|problem| said.contains(problem))
    {
        return skip(&format!("Maven cannot get the packages of {name} here"));
    }
    assert!(built.status.success(), "{name} does not build:\n{said}");
    Some(program)
}

/// Whether `program` is there and newer than everything in `folder`.
fn is_newer(program: &Path, folder: &Path) -> bool {
    let changed = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
    let Some(built) = changed(program) else {
        return false;
    };
    let mut waiting = vec![folder.to_owned()];
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            let entries = fs::read_dir(&path).unwrap();
            waiting.extend(entries.map(|entry| entry.unwrap().path()));
        } else if changed(&path).is_none_or(|changed| changed > built) {
            return false;
        }
    }
    true
}

/// Says on the standard error of the test run itself, which no test runner keeps back, that nothing was tested.
fn skip<T>(reason: &str) -> Option<T> {
    let line = format!("\n!! SKIPPED, the tests against real Spring programs: {reason}\n");
    let _unheard = std::io::stderr().write_all(line.as_bytes());
    None
}
