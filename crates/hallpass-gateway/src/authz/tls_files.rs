//! The files of `authz.tls`, read on threads that may wait for them.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_tls::{ServerTls, ServerTlsSettings, TlsError, TlsMetrics};

use crate::error::Error;

/// The runtime ends, or a thread has panicked.
const READING_FILES: Error = Error::TaskEnded {
    task: "reader of the files of TLS",
};

/// Reads them for a start; `None` without the section.
pub(crate) async fn load(
    settings: Option<&ServerTlsSettings>,
    clock: &Arc<dyn Clock>,
    metrics: &TlsMetrics,
) -> Result<Option<ServerTls>, Error> {
    let Some(settings) = settings.cloned() else {
        return Ok(None);
    };
    let (clock, metrics) = (Arc::clone(clock), metrics.clone());
    let load = tokio::task::spawn_blocking(move || ServerTls::load(&settings, clock, &metrics));
    Ok(Some(load.await.map_err(|_| READING_FILES)??))
}

/// Checks or applies them for a listener that runs, where both it and the settings have them.
pub(crate) async fn change(
    tls: Option<&ServerTls>,
    settings: Option<&ServerTlsSettings>,
    work: fn(&ServerTls, &ServerTlsSettings) -> Result<(), TlsError>,
) -> Result<(), Error> {
    let Some((tls, settings)) = tls.cloned().zip(settings.cloned()) else {
        return Ok(());
    };
    let work = tokio::task::spawn_blocking(move || work(&tls, &settings));
    Ok(work.await.map_err(|_| READING_FILES)??)
}
