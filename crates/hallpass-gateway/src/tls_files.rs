//! The files of a section `tls`, read on threads that may wait for them.

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
    section: &'static str,
    settings: Option<&ServerTlsSettings>,
    clock: &Arc<dyn Clock>,
    metrics: &TlsMetrics,
) -> Result<Option<ServerTls>, Error> {
    let Some(settings) = settings.cloned() else {
        return Ok(None);
    };
    let (clock, metrics) = (Arc::clone(clock), metrics.clone());
    let load = tokio::task::spawn_blocking(move || ServerTls::load(&settings, clock, &metrics));
    let loaded = load.await.map_err(|_| READING_FILES)?;
    loaded
        .map(Some)
        .map_err(|source| Error::Tls { section, source })
}

/// Checks or applies them for a listener that runs, where both it and the settings have them.
pub(crate) async fn change(
    section: &'static str,
    tls: Option<&ServerTls>,
    settings: Option<&ServerTlsSettings>,
    work: fn(&ServerTls, &ServerTlsSettings) -> Result<(), TlsError>,
) -> Result<(), Error> {
    let Some((tls, settings)) = tls.cloned().zip(settings.cloned()) else {
        return Ok(());
    };
    let work = tokio::task::spawn_blocking(move || work(&tls, &settings));
    let worked = work.await.map_err(|_| READING_FILES)?;
    worked.map_err(|source| Error::Tls { section, source })
}
