//! The way to the public keys of clients.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_tls::{ClientTls, ClientTlsSettings, TlsMetrics};
use hallpass_upstream::{HttpTransport, Network, StaticDiscovery};

use crate::error::Error;

/// Connections to where clients have their keys. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct KeyNetwork {
    clock: Arc<dyn Clock>,
    /// `None` until a client has its keys behind a URL: most issuers open no connection, and read no authorities.
    made: Option<Arc<Made>>,
}

/// Connections that trust whom these settings name.
#[derive(Debug)]
pub(crate) struct Made {
    tls: ClientTlsSettings,
    pub(crate) network: Network,
}

impl KeyNetwork {
    pub(crate) const fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, made: None }
    }

    pub(crate) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(crate) const fn made(&self) -> Option<&Arc<Made>> {
        self.made.as_ref()
    }

    /// The same, with connections that trust whom `tls` names, if some are needed.
    ///
    /// # Errors
    /// [`Error::ClientKeys`] when the files of `tls` cannot be used.
    pub(crate) async fn ready(
        &self,
        is_needed: bool,
        tls: &ClientTlsSettings,
    ) -> Result<Self, Error> {
        let is_ready = self.made.as_ref().is_some_and(|made| made.tls == *tls);
        if !is_needed || is_ready {
            return Ok(self.clone());
        }
        let (settings, clock) = (tls.clone(), Arc::clone(&self.clock));
        let load = move || ClientTls::load(&settings, clock, &TlsMetrics::default());
        let problem = |problem: String| Error::ClientKeys { problem };
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded = loaded.map_err(|error| problem(error.to_string()))?;
        let loaded = loaded.map_err(|error| problem(error.to_string()))?;
        let transport = HttpTransport::builder().followed_tls(loaded).build();
        let transport = transport.map_err(|error| problem(error.to_string()))?;
        let discovery = Arc::new(StaticDiscovery::new());
        Ok(Self {
            made: Some(Arc::new(Made {
                tls: tls.clone(),
                network: Network::new(transport, discovery, Arc::clone(&self.clock)),
            })),
            clock: Arc::clone(&self.clock),
        })
    }
}
