//! What sessions are made of.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_tls::ClientTls;
use hallpass_upstream::HttpTransport;

use crate::connection::{Module, Way};
use crate::credential::Identity;
use crate::error::NacosError;
use crate::metrics::NacosMetrics;
use crate::session::SessionParts;
use crate::settings::NacosSettings;

/// What the parts of this crate are made from: settings, trust, time, and where they count.
#[derive(Clone, Debug)]
pub struct NacosParts {
    pub(crate) settings: NacosSettings,
    tls: Option<ClientTls>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) metrics: NacosMetrics,
}

impl NacosParts {
    /// `tls`: whom connections to `https` servers trust; without it, a server with `https://` is reached by the authorities
    /// of the operating system.
    #[must_use]
    pub fn new(settings: NacosSettings, tls: Option<ClientTls>, clock: Arc<dyn Clock>) -> Self {
        Self {
            settings,
            tls,
            clock,
            metrics: NacosMetrics::default(),
        }
    }

    /// The same by other settings, counted together.
    #[must_use]
    pub fn by(&self, settings: NacosSettings) -> Self {
        Self {
            settings,
            ..self.clone()
        }
    }

    /// What all parts that are made from this count.
    #[must_use]
    pub fn metrics(&self) -> &NacosMetrics {
        &self.metrics
    }

    /// `nacos` as it was read.
    #[must_use]
    pub fn settings(&self) -> &NacosSettings {
        &self.settings
    }

    pub(crate) fn session(
        &self,
        module: Module,
        namespace: &str,
    ) -> Result<SessionParts, NacosError> {
        let settings = &self.settings;
        let tls = match &self.tls {
            None if settings.servers.iter().any(|server| server.is_https()) => {
                let trust = hallpass_tls::ClientTlsSettings::default();
                let metrics = hallpass_tls::TlsMetrics::default();
                let tls = ClientTls::load(&trust, Arc::clone(&self.clock), &metrics);
                Some(tls.map_err(Arc::new)?)
            }
            tls => tls.clone(),
        };
        let transport =
            HttpTransport::builder().dangerous_plain_http(settings.dangerous_plain_text);
        let transport = match &tls {
            Some(tls) => transport.followed_tls(tls.clone()),
            None => transport,
        };
        let transport = transport.build().map_err(NacosError::unavailable)?;
        let identity = Identity::new(
            settings.credential.clone(),
            settings.credential_file.clone(),
            transport,
            Arc::clone(&self.clock),
            settings.timeout,
        );
        Ok(SessionParts {
            way: Way {
                module,
                namespace: namespace.into(),
                timeout: settings.timeout,
                port_offset: settings.grpc_port_offset,
            },
            servers: settings.servers.clone(),
            tls,
            identity,
            metrics: self.metrics.clone(),
        })
    }
}
