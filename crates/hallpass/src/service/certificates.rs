//! The certificate of the section `certificates`, kept good.

use std::sync::Arc;

use hallpass_certificates::{
    CertificateAgent, CertificateError, CertificateHandle, CertificateSettings,
};
use hallpass_client::Credential;
use hallpass_clock::Clock;
use hallpass_tls::{ClientTls, TlsMetrics};
use hallpass_upstream::{HttpTransport, HttpTransportBuilder, Network};

use crate::{Error, Settings};

/// The agent, which goes on for as long as its runtime.
#[derive(Debug)]
pub(crate) struct Certificates(CertificateHandle);

/// The way to the authority, which shows nothing that the agent renews.
pub(super) fn transport(
    settings: &CertificateSettings,
    builder: HttpTransportBuilder,
    clock: &Arc<dyn Clock>,
) -> Result<HttpTransport, Error> {
    let tls = ClientTls::load(&settings.tls, Arc::clone(clock), &TlsMetrics::default());
    let builder = builder.followed_tls(tls.map_err(CertificateError::from)?);
    Ok(builder.build()?)
}

impl Certificates {
    /// Returns when the first certificate is there.
    pub(super) async fn start(
        certificates: &CertificateSettings,
        settings: &Settings,
        network: &Network,
    ) -> Result<Self, Error> {
        let credential = credential(settings).ok_or(Error::NoClient)?;
        let mut agent = CertificateAgent::new(certificates.clone(), credential, network);
        agent.start().await?;
        let handle = agent.handle();
        let runs = tokio::spawn(agent.run());
        tokio::spawn(async move {
            if let Err(error) = runs.await
                && error.is_panic()
            {
                tracing::error!(%error, "renewing certificates ended in a panic; the one that is held goes on until its end");
            }
        });
        Ok(Self(handle))
    }

    pub(super) const fn handle(&self) -> &CertificateHandle {
        &self.0
    }

    /// Asks as the client that the settings name now.
    pub(super) fn apply(&self, settings: &Settings) {
        if let Some(credential) = credential(settings) {
            self.0.ask_by(credential);
        }
    }
}

/// The client of `internal-token`.
fn credential(settings: &Settings) -> Option<Credential> {
    let tokens = settings.internal_token.token_service.as_ref()?;
    Some(Credential::from(&tokens.credential))
}
