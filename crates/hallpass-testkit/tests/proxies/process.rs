//! Programs that run beside the tests.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longer than the slowest start on a busy machine.
pub(crate) const START: Duration = Duration::from_secs(120);
pub(crate) const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// Below 32,768, where those begin that Linux gives away.
const FIRST_PORT: u16 = 20_000;
const PORTS: u32 = 12_000;

/// A running program, killed when dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts it in `folder` and waits until it listens at this port.
    ///
    /// # Panics
    /// When it ends, with what it said.
    pub(crate) async fn start(mut command: Command, folder: &Path, port: u16) -> Self {
        let log = folder.join(format!("{port}.log"));
        let file = std::fs::File::create(&log).unwrap();
        let child = command
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file)
            .spawn()
            .unwrap();
        let mut process = Self { child };
        let listens = async {
            let mut again = tokio::time::interval(BETWEEN_LOOKS);
            while TcpStream::connect(("127.0.0.1", port)).is_err() {
                let ended = process.child.try_wait().unwrap();
                assert!(
                    ended.is_none(),
                    "{command:?} ended:\n{}",
                    std::fs::read_to_string(&log).unwrap()
                );
                again.tick().await;
            }
        };
        if tokio::time::timeout(START, listens).await.is_err() {
            panic!(
                "{command:?} does not listen:\n{}",
                std::fs::read_to_string(&log).unwrap()
            );
        }
        process
    }

    /// Lets it stand still, with its connections open, until [`go_on`](Self::go_on).
    pub(crate) fn stand_still(&self) {
        self.signal("STOP");
        // Until each of its threads has heard of it.
        while self.threads().any(|state| state != 'T') {
            std::thread::yield_now();
        }
    }

    /// The states of its threads, where the system has them as files.
    fn threads(&self) -> impl Iterator<Item = char> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let tasks = tasks.into_iter().flatten().flatten();
        tasks.filter_map(|task| {
            let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
            stat.rsplit_once(") ")?.1.chars().next()
        })
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    /// Lets it read its configuration again, where it does that when it is told.
    pub(crate) fn reload(&self) {
        self.signal("HUP");
    }

    /// Asks it to end, and waits for that: what it has started ends with it.
    pub(crate) fn terminate(&mut self) {
        self.signal("TERM");
        let _ended = self.child.wait();
    }

    fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(
            Command::new("sh")
                .arg("-c")
                .arg(kill)
                .status()
                .unwrap()
                .success()
        );
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Ports that nobody listens at, each given once in this process. They lie below those that the system gives to whoever names none, so that no connection of
/// another test gets one before its program listens.
pub(crate) fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Far from those of another test run on the same machine, as far as that goes.
    let first = std::process::id().wrapping_mul(61);
    [(); COUNT].map(|()| {
        loop {
            let given = GIVEN.fetch_add(1, Ordering::Relaxed);
            let place = first.wrapping_add(given) % PORTS;
            let port = FIRST_PORT + u16::try_from(place).unwrap();
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                return port;
            }
            assert!(given < PORTS, "no port is free");
        }
    })
}

/// Says on the standard error of the test run itself, which no test runner keeps back, that nothing was tested.
pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    let line = format!("\n!! SKIPPED, the tests with real proxies: {reason}\n");
    let _unheard = std::io::stderr().write_all(line.as_bytes());
    None
}
