//! `hallpass gateway` as a process.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::built::built;

/// Longer than the slowest start on a busy machine.
const START: Duration = Duration::from_secs(120);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// What its file says, but for the upstream.
struct Settings {
    address: SocketAddr,
    /// How the upstream is spoken to.
    http2: &'static str,
    security: String,
}

impl Settings {
    fn write(&self, folder: &Path, to: SocketAddr) {
        let Self {
            address,
            http2,
            security,
        } = self;
        let yaml = format!(
            "hallpass:
  service: {{ name: service-system }}
  gateway:
    listen: '{address}'
    management: {{ listen: '127.0.0.1:0' }}
    service-defaults: {{ http2: {http2}, breaker: {{ enabled: false }} }}
    decision-timeout-ms: 60000
    routes: [{{ name: all, path: '/**', to: 'http://{to}', identity: relay }}]
{security}"
        );
        std::fs::write(folder.join("gateway.yaml"), yaml).unwrap();
    }
}

/// Killed when dropped.
pub(crate) struct Gateway {
    child: Child,
    address: SocketAddr,
    settings: Settings,
    folder: TempDir,
}

impl Gateway {
    /// With this section `security`; every path goes to the upstream, with the caller's own token.
    ///
    /// # Panics
    /// When it ends, with what it said.
    pub(crate) async fn start(security: &str, to: SocketAddr) -> Self {
        Self::start_by("never", security, to).await
    }

    /// The same with an upstream that is spoken to over HTTP/2 so.
    pub(crate) async fn start_by(http2: &'static str, security: &str, to: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let settings = Settings {
            address,
            http2,
            security: security.to_owned(),
        };
        settings.write(folder.path(), to);
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = Command::new(built(&["hallpass-cli"], &["hallpass"], "hallpass"))
            .env_clear()
            .args(["gateway", "--config", "gateway.yaml"])
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut gateway = Self {
            child,
            address,
            settings,
            folder,
        };
        let listens = async {
            let mut again = tokio::time::interval(BETWEEN_LOOKS);
            while TcpStream::connect(address).await.is_err() {
                let ended = gateway.child.try_wait().unwrap();
                assert!(ended.is_none(), "it ended:\n{}", gateway.log());
                again.tick().await;
            }
        };
        let listens = tokio::time::timeout(START, listens).await.is_ok();
        assert!(listens, "it does not listen:\n{}", gateway.log());
        gateway
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Has its file name another upstream, and tells it to look.
    pub(crate) fn goes_to(&self, to: SocketAddr) {
        self.settings.write(self.folder.path(), to);
        let kill = format!("kill -HUP {}", self.child.id());
        let told = Command::new("sh").arg("-c").arg(kill).status().unwrap();
        assert!(told.success());
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) fn panics(&self) -> usize {
        self.log().matches("panicked").count()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}
