//! `hallpass gateway` as a process.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use hallpass::tls::KeyPairSettings;
use tempfile::TempDir;

use crate::built::built;

/// Longer than the slowest start on a busy machine.
const START: Duration = Duration::from_secs(120);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How it is spoken to, and speaks.
#[derive(Clone)]
pub(crate) struct How {
    /// How the upstream is spoken to over HTTP/2.
    pub(crate) http2: &'static str,
    /// Certificate and key, where callers speak TLS.
    pub(crate) tls: Option<KeyPairSettings>,
}

impl Default for How {
    fn default() -> Self {
        Self {
            http2: "never",
            tls: None,
        }
    }
}

/// What its file says, but for the upstream.
struct Settings {
    how: How,
    security: String,
}

impl Settings {
    fn write(&self, folder: &Path, to: SocketAddr) {
        let Self {
            how: How { http2, tls },
            security,
        } = self;
        let tls = tls.as_ref().map_or(String::new(), |pair| {
            let (certificate, key) = (&pair.certificate_file, &pair.private_key_file);
            format!(
                "    tls: {{ certificate-file: '{}', private-key-file: '{}' }}\n",
                certificate.display(),
                key.display()
            )
        });
        let yaml = format!(
            "hallpass:
  service: {{ name: service-system }}
  gateway:
    listen: '127.0.0.1:0'
    management: {{ listen: '127.0.0.1:0' }}
    service-defaults: {{ http2: {http2}, breaker: {{ enabled: false }} }}
    decision-timeout-ms: 60000
    routes: [{{ name: all, path: '/**', to: 'http://{to}', identity: relay }}]
{tls}{security}"
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
        Self::start_by(How::default(), security, to).await
    }

    /// The same in another way.
    pub(crate) async fn start_by(how: How, security: &str, to: SocketAddr) -> Self {
        let settings = Settings {
            how,
            security: security.to_owned(),
        };
        let folder = tempfile::tempdir().unwrap();
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
            address: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            settings,
            folder,
        };
        // It says itself which port it has got: nobody else can take that one.
        let listens = async {
            let mut again = tokio::time::interval(BETWEEN_LOOKS);
            loop {
                if let Some(address) = gateway.said_address() {
                    break address;
                }
                let ended = gateway.child.try_wait().unwrap();
                assert!(ended.is_none(), "it ended:\n{}", gateway.log());
                again.tick().await;
            }
        };
        let listens = tokio::time::timeout(START, listens).await;
        let Ok(address) = listens else {
            panic!("it does not listen:\n{}", gateway.log());
        };
        gateway.address = address;
        gateway
    }

    fn said_address(&self) -> Option<SocketAddr> {
        let log = self.log();
        let (line, _) = log.split_once("listening on ")?.1.split_once('\n')?;
        line.trim().parse().ok()
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
