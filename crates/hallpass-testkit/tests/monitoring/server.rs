//! Servers of Prometheus on a free port of loopback, ended with the test.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use hallpass::clock::{Clock as _, SystemClock};

/// For a start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A Prometheus or an Alertmanager that is ready. Killed when it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// `command` has all but where it listens. Blocks until it has read its files and serves; what it says goes to `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let file = File::create(log).unwrap();
        let command = command
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(file.try_clone().unwrap())
            .stderr(file);
        let server = Self {
            process: command.spawn().unwrap(),
            address,
        };
        let clock = SystemClock::new();
        let end = clock.monotonic() + PATIENCE;
        while !server.is_ready().unwrap_or(false) {
            let said = || fs::read_to_string(log).unwrap();
            assert!(clock.monotonic() < end, "{}", said());
            thread::park_timeout(BETWEEN_LOOKS);
        }
        server
    }

    fn is_ready(&self) -> io::Result<bool> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"GET /-/ready HTTP/1.0\r\n\r\n")?;
        let mut said = String::new();
        stream.read_to_string(&mut said)?;
        Ok(said.contains(" 200 "))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ended = self.process.kill();
        let _reaped = self.process.wait();
    }
}
