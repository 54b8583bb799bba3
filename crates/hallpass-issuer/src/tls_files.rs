//! The files of `issuer.tls`, read on threads that may wait for them.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_tls::{ServerTls, ServerTlsSettings, TlsError, TlsMetrics};

use crate::error::Error;

/// The runtime ends, or a thread has panicked.
const READING_FILES: Error = Error::Internal {
    operation: "reading the files of TLS",
};

/// Reads them for a start.
pub(crate) async fn load_tls(
    settings: &ServerTlsSettings,
    clock: &Arc<dyn Clock>,
    metrics: &TlsMetrics,
) -> Result<ServerTls, Error> {
    let (settings, clock, metrics) = (settings.clone(), Arc::clone(clock), metrics.clone());
    let load = tokio::task::spawn_blocking(move || ServerTls::load(&settings, clock, &metrics));
    Ok(load.await.map_err(|_| READING_FILES)??)
}

/// As [`load_tls`], for a listener that runs.
pub(crate) async fn blocking(
    tls: &ServerTls,
    settings: &ServerTlsSettings,
    work: fn(&ServerTls, &ServerTlsSettings) -> Result<(), TlsError>,
) -> Result<(), Error> {
    let (tls, settings) = (tls.clone(), settings.clone());
    let work = tokio::task::spawn_blocking(move || work(&tls, &settings));
    Ok(work.await.map_err(|_| READING_FILES)??)
}
