//! The way to the authority: by the certificate that is held, or by what the client is registered with.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bytes::Bytes;
use hallpass_client::{CertificateAsker, Credential};
use hallpass_tls::{ClientTls, ClientTlsSettings, KeyPairSettings, TlsMetrics};
use hallpass_upstream::{EndpointUrl, HttpTransport, Network};

use crate::error::{CertificateError, blocking};

/// Longest time of one request, in which three instances may be asked.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// Who asks, where, and over which connections.
pub(crate) struct Asking {
    from: EndpointUrl,
    credential: Arc<ArcSwap<Credential>>,
    /// Whom the connections trust.
    tls: ClientTlsSettings,
    network: Network,
}

impl Asking {
    /// `network`: the way to the instances of the issuer, which trusts and shows what `tls` says, and the clock.
    pub(crate) fn new(
        from: EndpointUrl,
        credential: Credential,
        tls: ClientTlsSettings,
        network: Network,
    ) -> Self {
        Self {
            from,
            credential: Arc::new(ArcSwap::from_pointee(credential)),
            tls,
            network,
        }
    }

    pub(crate) fn credential(&self) -> Arc<ArcSwap<Credential>> {
        Arc::clone(&self.credential)
    }

    pub(crate) const fn network(&self) -> &Network {
        &self.network
    }

    /// What the authority says to what the client is registered with.
    pub(crate) async fn by_credential(&self, request: &str) -> Result<Bytes, CertificateError> {
        let (credential, from) = (self.credential.load_full(), self.from.clone());
        let asker = CertificateAsker::new(&credential, from, &self.network, LIMIT);
        Ok(asker.ask(request).await?)
    }

    /// What it says to the certificate that is to be renewed; `None` where it does not take that.
    pub(crate) async fn by_certificate(
        &self,
        request: &str,
        pair: KeyPairSettings,
    ) -> Option<Bytes> {
        if matches!(self.from, EndpointUrl::LoopbackHttp(_)) {
            return None;
        }
        let said = self.ask_by_certificate(request, pair).await;
        let complain = |error: &CertificateError| {
            tracing::debug!(%error, "the certificate that is held does not bring another one: the credential is tried");
        };
        said.inspect_err(complain).ok()
    }

    async fn ask_by_certificate(
        &self,
        request: &str,
        pair: KeyPairSettings,
    ) -> Result<Bytes, CertificateError> {
        let network = self.network_showing(pair).await?;
        let (credential, from) = (self.credential.load_full(), self.from.clone());
        let asker = CertificateAsker::by_certificate(&credential, from, &network, LIMIT);
        Ok(asker.ask(request).await?)
    }

    /// Connections that show this.
    async fn network_showing(&self, pair: KeyPairSettings) -> Result<Network, CertificateError> {
        let settings = ClientTlsSettings {
            key_pair: Some(pair),
            ..self.tls.clone()
        };
        let clock = Arc::clone(&self.network.clock);
        let tls = blocking(move || {
            let tls = ClientTls::load(&settings, clock, &TlsMetrics::default());
            tls.map_err(CertificateError::from)
        });
        let transport = HttpTransport::builder().followed_tls(tls.await?).build()?;
        Ok(Network::new(
            transport,
            Arc::clone(&self.network.discovery),
            Arc::clone(&self.network.clock),
        ))
    }
}
