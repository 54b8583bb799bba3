//! Nacos: configuration from it, services in it.
//!
//! ```no_run
//! use hallpass::config::Loader;
//! use hallpass::nacos::Nacos;
//! use hallpass::{BoxError, Hallpass, Settings};
//!
//! # async fn example() -> Result<(), BoxError> {
//! let loader = Loader::new("hallpass").file("hallpass.yaml").process_environment();
//! // Where Nacos is, stands in the file; what it holds goes over the file, and the environment over that.
//! let nacos = Nacos::start(loader).await?;
//! let mut reloader = nacos.reloader()?;
//! let settings = reloader.load::<Settings>()?.into_settings();
//! let hallpass = Hallpass::builder(&settings).nacos(&nacos).build()?;
//! tokio::spawn(hallpass.clone().follow(reloader));
//!
//! let listener = tokio::net::TcpListener::bind("0.0.0.0:8080").await?;
//! let registration = nacos.register(&settings, listener.local_addr()?.port()).await?;
//! let router: axum::Router = axum::Router::new();
//! let running = hallpass.http_server(listener).serve(move |_peer| router.clone())?;
//! # let stop = async {};
//! stop.await;
//! // First nobody is sent here any more, then the connections are drained.
//! if let Some(registration) = registration {
//!     registration.withdraw().await;
//! }
//! # drop(running);
//! # Ok(())
//! # }
//! ```

mod rules;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::{Clock, SystemClock};
use hallpass_config::{Loader, Problems};
use hallpass_tls::{ClientTls, TlsMetrics};

use crate::Settings;
use crate::reload::Reloader;
use crate::settings::NacosStart;

use rules::PlacedDocuments;

pub use hallpass_nacos::*;

/// What one process has of Nacos: documents, services, or both, as its settings say. Cheap to clone; clones share the
/// connections.
#[derive(Clone, Debug)]
pub struct Nacos {
    loader: Loader,
    configuration: Option<PlacedDocuments>,
    discovery: Option<NacosDiscovery>,
    settings: DiscoverySettings,
    metrics: NacosMetrics,
    tls: Option<SharedTls>,
}

/// The files of the section `tls`, followed for Nacos and for everything else together.
#[derive(Clone, Debug)]
pub(crate) struct SharedTls {
    pub(crate) tls: ClientTls,
    pub(crate) metrics: TlsMetrics,
}

/// Why a process cannot begin with what it reads from Nacos.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NacosStartError {
    /// The sections `nacos`, `discovery` or `tls` cannot be used.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// Nacos, or the files of `tls`.
    #[error(transparent)]
    Nacos(#[from] NacosError),
    /// The runtime is ending.
    #[error(transparent)]
    Runtime(tokio::task::JoinError),
}

impl Nacos {
    /// Reads the sections `nacos`, `discovery.nacos` and `tls` of `loader` and connects, if they say so. The documents are
    /// there when it returns; services are asked for when they are needed.
    ///
    /// # Errors
    /// [`NacosStartError`]. That no server answers is no error where the documents of the last time are on the disk.
    pub async fn start(loader: Loader) -> Result<Self, NacosStartError> {
        Self::start_by(loader, |_| {}).await
    }

    /// As [`start`](Self::start), for a program that looks at the configuration of a service in its place: nothing is kept on the disk, nothing is
    /// taken from there, and no answer is waited for longer than `limit`.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub async fn examine(loader: Loader, limit: Duration) -> Result<Self, NacosStartError> {
        let look = move |settings: &mut NacosSettings| {
            settings.snapshot_directory = None;
            settings.timeout = settings.timeout.min(limit);
        };
        Self::start_by(loader, look).await
    }

    async fn start_by(
        loader: Loader,
        change: impl FnOnce(&mut NacosSettings),
    ) -> Result<Self, NacosStartError> {
        // On a thread of its own: a disk may have stalled, or a pipe.
        let reading = tokio::task::spawn_blocking(move || {
            let loader = loader.hold_pipes();
            (loader.load_part::<NacosStart>(), loader)
        });
        let (start, loader) = reading.await.map_err(NacosStartError::Runtime)?;
        let mut start = start?;
        // All of it is read once more, with the documents, and warned of then.
        start.take_warnings();
        let mut start = start.into_settings();
        change(&mut start.nacos);
        if !start.nacos.is_used() {
            return Ok(Self {
                loader,
                configuration: None,
                discovery: None,
                settings: start.discovery,
                metrics: NacosMetrics::default(),
                tls: None,
            });
        }
        let rules = std::mem::take(&mut start.rules);
        rules::ask_for(&rules, &mut start.nacos);
        // It reads the files of `tls`.
        let parted = tokio::task::spawn_blocking(move || parts(start)).await;
        let (parts, discovery_settings, tls) = parted.map_err(NacosStartError::Runtime)??;
        let wants_documents = !parts.settings().config.documents.is_empty();
        let configuration = match wants_documents {
            true => Some(PlacedDocuments::start(&loader, &parts, rules).await?),
            false => None,
        };
        let discovery = match discovery_settings.enabled {
            true => Some(NacosDiscovery::start(&parts, &discovery_settings)?),
            false => None,
        };
        Ok(Self {
            loader,
            configuration,
            discovery,
            settings: discovery_settings,
            metrics: parts.metrics().clone(),
            tls: Some(tls),
        })
    }

    /// A reloader for what the loader loads with the documents over it, which follows both.
    ///
    /// # Errors
    /// As [`Reloader::new`].
    pub fn reloader(&self) -> io::Result<Reloader> {
        let reloader = Reloader::new(self.loader.clone())?;
        Ok(match &self.configuration {
            Some(configuration) => reloader.documents(configuration.clone()),
            None => reloader,
        })
    }

    /// Finds services, where `discovery.nacos` is there.
    #[must_use]
    pub fn discovery(&self) -> Option<&NacosDiscovery> {
        self.discovery.as_ref()
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &NacosMetrics {
        &self.metrics
    }

    /// The files that its connections are protected by.
    pub(crate) const fn tls(&self) -> Option<&SharedTls> {
        self.tls.as_ref()
    }

    /// Tells Nacos that `service.name` listens on `port`, with `secure=true` where `service.tls` is there and `service.zone` as its zone. Nothing without
    /// `discovery.nacos`, or when its `register.enabled` is false.
    ///
    /// # Errors
    /// As [`NacosDiscovery::register`].
    pub async fn register(
        &self,
        settings: &Settings,
        port: u16,
    ) -> Result<Option<Registration>, NacosError> {
        let register = &self.settings.register;
        let Some(discovery) = self.discovery.as_ref().filter(|_| register.enabled) else {
            return Ok(None);
        };
        let name = settings.service.name.clone().unwrap_or_default();
        let own = OwnInstance::new(name, port)
            .secure(settings.service.tls.is_some())
            .in_zone(settings.service.zone.as_deref());
        discovery.register(&own, register).await.map(Some)
    }
}

/// Single documents of the server that the sections `nacos` and `tls` of `loader` name; `None` when they name none. Needs a
/// runtime.
///
/// # Errors
/// When these sections cannot be used.
pub fn documents(loader: &Loader) -> Result<Option<NacosDocuments>, NacosStartError> {
    let mut start = loader.load_part::<NacosStart>()?;
    // All of it is read once more, with the documents, and warned of then.
    start.take_warnings();
    let start = start.into_settings();
    if !start.nacos.is_used() {
        return Ok(None);
    }
    let (parts, _, _) = parts(start)?;
    Ok(Some(NacosDocuments::connect(&parts)?))
}

fn parts(start: NacosStart) -> Result<(NacosParts, DiscoverySettings, SharedTls), NacosError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let trust = &start.tls.client;
    let metrics = TlsMetrics::default();
    let tls = ClientTls::load(trust, Arc::clone(&clock), &metrics);
    let tls = tls.map_err(|error| NacosError::from(Arc::new(error)))?;
    let parts = NacosParts::new(start.nacos, Some(tls.clone()), clock);
    Ok((parts, start.discovery, SharedTls { tls, metrics }))
}
