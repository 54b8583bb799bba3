//! A folder with an authority and a certificate of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{
    ClientAuth, KeyPairSettings, ServerTls, ServerTlsSettings, TestAuthority, TlsError, TlsMetrics,
};
use hallpass_clock::{Clock as _, ManualClock};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tempfile::TempDir;

pub(crate) struct Rig {
    pub(crate) folder: TempDir,
    pub(crate) authority: TestAuthority,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) metrics: TlsMetrics,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let rig = Self {
            folder: tempfile::tempdir().unwrap(),
            authority: TestAuthority::new("Test CA"),
            clock: Arc::new(ManualClock::new()),
            metrics: TlsMetrics::default(),
        };
        rig.write("ca.crt", rig.authority.pem());
        rig.renew();
        rig
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// Another certificate and key, both whole.
    pub(crate) fn renew(&self) {
        let certificate = self.authority.certificate(&["a.example"]);
        let _settings = certificate.write(self.folder.path(), "server");
    }

    /// Another certificate and key, which end then.
    pub(crate) fn renew_until(&self, end: SystemTime) {
        let certificate = self.authority.certificate_until(&["a.example"], end);
        let _settings = certificate.write(self.folder.path(), "server");
    }

    pub(crate) fn in_days(&self, days: u64) -> SystemTime {
        self.clock.now() + Duration::from_secs(days * 86_400)
    }

    pub(crate) fn server_settings(&self) -> ServerTlsSettings {
        ServerTlsSettings {
            key_pair: KeyPairSettings {
                certificate_file: self.path("server.crt"),
                private_key_file: self.path("server.key"),
            },
            client_auth: ClientAuth::None,
        }
    }

    pub(crate) fn server(&self) -> Result<ServerTls, TlsError> {
        ServerTls::load(&self.server_settings(), self.clock.clone(), &self.metrics)
    }

    /// The lines of `/metrics` that hold `name`.
    pub(crate) fn shown(&self, name: &str) -> Vec<String> {
        let mut registry = Registry::default();
        self.metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        let lines = text.lines().filter(|line| line.starts_with(name));
        let mut lines: Vec<_> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }
}
