//! The TLS of one service: what it shows to its callers, and what it uses as a caller.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_tls::{ClientTls, ServerTls, TlsError, TlsMetrics};
use hallpass_upstream::{HttpTransport, HttpTransportBuilder};

use crate::{Error, Settings};

/// Both directions, with the files they came from.
#[derive(Debug)]
pub(crate) struct ServiceTls {
    /// `tls`; `None` when the service brings a transport of its own and nothing else uses the files.
    outgoing: Option<ClientTls>,
    /// `service.tls`.
    listener: Option<ServerTls>,
    metrics: TlsMetrics,
}

impl ServiceTls {
    /// Reads the files, and makes the transport by `builder` unless there is one already. `followed`: the files of `tls`, where
    /// others have begun to follow them.
    pub(crate) fn load(
        settings: &Settings,
        transport: Option<HttpTransport>,
        builder: HttpTransportBuilder,
        followed: Option<(ClientTls, TlsMetrics)>,
        clock: &Arc<dyn Clock>,
    ) -> Result<(Self, HttpTransport), Error> {
        let (outgoing, metrics) = match followed {
            Some((tls, metrics)) => {
                // A document may have changed the section since.
                tls.apply(&settings.tls.client).map_err(of_outgoing)?;
                (Some(tls), metrics)
            }
            None => {
                let metrics = TlsMetrics::default();
                let load = || ClientTls::load(&settings.tls.client, Arc::clone(clock), &metrics);
                let tls = transport.is_none().then(load).transpose();
                (tls.map_err(of_outgoing)?, metrics)
            }
        };
        #[cfg(feature = "certificates")]
        if let Some((tls, issued)) = outgoing.as_ref().zip(settings.issued_files()) {
            // Those of the estate, beside those that the settings trust.
            tls.trust_bundle(&issued.ca_file).map_err(of_outgoing)?;
        }
        let transport = match transport {
            Some(transport) => transport,
            None => connect_by(settings, builder, outgoing.clone())?,
        };
        let listener = match &settings.service.tls {
            Some(settings) => {
                let tls = ServerTls::load(settings, Arc::clone(clock), &metrics);
                Some(tls.map_err(of_listener)?)
            }
            None => None,
        };
        let tls = Self {
            outgoing,
            listener,
            metrics,
        };
        Ok((tls, transport))
    }

    pub(crate) const fn listener(&self) -> Option<&ServerTls> {
        self.listener.as_ref()
    }

    pub(crate) const fn metrics(&self) -> &TlsMetrics {
        &self.metrics
    }

    /// Whether [`apply`](Self::apply) would take `settings` now.
    pub(crate) fn check(&self, settings: &Settings) -> Result<(), Error> {
        if let Some(tls) = &self.outgoing {
            tls.check(&settings.tls.client).map_err(of_outgoing)?;
        }
        if let Some((tls, settings)) = self.listener.as_ref().zip(settings.service.tls.as_ref()) {
            tls.check(settings).map_err(of_listener)?;
        }
        Ok(())
    }

    /// Takes the files that `settings` name, and what they hold now.
    pub(crate) fn apply(&self, settings: &Settings) -> Result<(), Error> {
        if let Some(tls) = &self.outgoing {
            tls.apply(&settings.tls.client).map_err(of_outgoing)?;
        }
        if let Some((tls, settings)) = self.listener.as_ref().zip(settings.service.tls.as_ref()) {
            tls.apply(settings).map_err(of_listener)?;
        }
        Ok(())
    }
}

fn connect_by(
    settings: &Settings,
    builder: HttpTransportBuilder,
    tls: Option<ClientTls>,
) -> Result<HttpTransport, Error> {
    let plain_http = settings.tls.dangerous_plain_http;
    if plain_http {
        tracing::warn!(
            "tls.dangerous-plain-http is set: secrets, tokens and keys may go over plain http, and everybody on the way reads and changes them"
        );
    }
    let builder = match tls {
        Some(tls) => builder.followed_tls(tls),
        None => builder,
    };
    let transport = builder
        .dangerous_plain_http(plain_http)
        .connect_timeout(settings.transport.connect_timeout)
        .idle_timeout(settings.transport.pool_idle)
        .max_age(settings.transport.connection_max_age);
    Ok(transport.build()?)
}

fn of_outgoing(source: TlsError) -> Error {
    Error::Tls { key: "tls", source }
}

fn of_listener(source: TlsError) -> Error {
    Error::Tls {
        key: "service.tls",
        source,
    }
}
