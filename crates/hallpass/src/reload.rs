//! Settings that change while the process runs.
//!
//! A [`Reloader`] loads settings again when the process gets SIGHUP, and when a file that they came from (a YAML file, or
//! one that a `-file` key names) holds something else. A configuration that cannot be used is logged once, with all problems, and
//! counted; the last good settings stay in effect.
//!
//! ```no_run
//! use hallpass::config::Loader;
//! use hallpass::reload::Reloader;
//! use hallpass::{BoxError, Hallpass, Settings};
//!
//! # async fn example() -> Result<(), BoxError> {
//! let loader = Loader::new("hallpass").file("hallpass.yaml").process_environment();
//! let mut reloader = Reloader::new(loader)?;
//! let settings = reloader.load::<Settings>()?.into_settings();
//! let hallpass = Hallpass::from_settings(&settings)?;
//! tokio::spawn(hallpass.clone().follow(reloader));
//! # Ok(())
//! # }
//! ```

mod documents;
mod metrics;
mod retry;
mod wake_up;

use std::fmt::Display;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::{Clock, SystemClock};
use hallpass_config::{Configuration, Loaded, Loader, Problems, WatchedLoader, YamlText};
use tokio::runtime::Handle;
use tokio::time::{Interval, MissedTickBehavior};

use self::retry::Retry;
use self::wake_up::{Hangup, WakeUp};

pub use documents::Documents;
pub use metrics::ReloadMetrics;

/// How often files are looked at unless the caller says otherwise.
const INTERVAL: Duration = Duration::from_secs(5);
/// The shortest time between two looks, and the longest, which is added to the time of day.
const MIN_INTERVAL: Duration = Duration::from_millis(1);
const MAX_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);
/// How long files must stay as they are before they are loaded: somebody may be writing them.
const SETTLING: Duration = Duration::from_millis(200);
/// How often a file may change within [`SETTLING`] before it is loaded nevertheless.
const MAX_SETTLING_ROUNDS: u32 = 25;

/// Loads settings, and loads them again on SIGHUP and when a file that they came from changes.
///
/// Works for any [`Configuration`]; for a service whose settings are [`Settings`](crate::Settings) alone,
/// [`Hallpass::follow`](crate::Hallpass::follow) is enough. Files are compared by what they hold, every 5 seconds, so that mounted volumes
/// and swapped symbolic links work; a file that changed is loaded when it has stayed the same for 200 ms.
/// The environment and flags of a process do not change; they count again with each load.
///
/// **Not watched**: files that are read later than the settings, such as a JWK set, and what can be read once only, such as a pipe.
///
/// ```
/// use std::time::Duration;
/// use hallpass::{BoxError, Hallpass, Settings, config::Loader, reload::Reloader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), BoxError> {
/// let loader = Loader::new("hallpass").text("example", "hallpass: { service: { name: order-service } }");
/// let mut reloader = Reloader::new(loader)?.every(Duration::from_secs(30));
/// let hallpass = Hallpass::from_settings(reloader.load::<Settings>()?.settings())?;
/// let following = tokio::spawn(reloader.run(move |settings: Settings| {
///     // What the service itself reads of its settings can be taken here too.
///     std::future::ready(hallpass.apply(&settings))
/// }));
/// # following.abort();
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Reloader {
    /// Shared with the threads that read files.
    loader: Arc<WatchedLoader>,
    documents: Option<Box<dyn Documents>>,
    clock: Arc<dyn Clock>,
    interval: Duration,
    ticks: Option<Interval>,
    hangup: Hangup,
    metrics: ReloadMetrics,
    /// Settings that were not taken: what stood in the way may pass, such as a locked store, or a file that could not be
    /// read because too many were open.
    refused: Option<Retry>,
    /// Whether the last wake-up was for another try alone.
    is_retry: bool,
}

impl Reloader {
    /// A reloader for what `loader` loads. From here on SIGHUP does not end the process; one that comes before the first
    /// [`changed`](Self::changed) is kept.
    ///
    /// # Errors
    /// Outside of a tokio runtime with I/O, or when the signal cannot be handled.
    pub fn new(loader: Loader) -> io::Result<Self> {
        Ok(Self {
            loader: Arc::new(WatchedLoader::new(loader)),
            documents: None,
            clock: Arc::new(SystemClock::new()),
            interval: INTERVAL,
            ticks: None,
            hangup: Hangup::install()?,
            metrics: ReloadMetrics::default(),
            refused: None,
            is_retry: false,
        })
    }

    /// Looks at the files this often, from every millisecond to once a day. Default: 5 seconds.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.interval = interval.clamp(MIN_INTERVAL, MAX_INTERVAL);
        self.ticks = None;
        self
    }

    /// Takes these documents as well, and follows them.
    #[must_use]
    pub fn documents(mut self, documents: impl Documents) -> Self {
        self.documents = Some(Box::new(documents));
        self
    }

    /// Counts here, in place of [`metrics`](Self::metrics) of its own.
    #[must_use]
    pub fn count_in(mut self, metrics: ReloadMetrics) -> Self {
        self.metrics = metrics;
        self
    }

    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &ReloadMetrics {
        &self.metrics
    }

    /// The first load, at the start of the process. Blocks the thread while files are read. What has no effect is a
    /// warning in the log.
    ///
    /// # Errors
    /// As [`Loader::load`].
    pub fn load<T: Configuration>(&mut self) -> Result<Loaded<T>, Problems> {
        let texts = self.texts();
        let mut loaded = Arc::make_mut(&mut self.loader).load_with(texts);
        if let Ok(loaded) = &mut loaded {
            self.metrics.succeeded_at(self.clock.now());
            warn_of(loaded);
            if let (Some(documents), Ok(runtime)) = (&self.documents, Handle::try_current()) {
                runtime.spawn(documents.keep());
            }
        }
        loaded
    }

    /// Waits until SIGHUP comes, a file has changed, or settings that were refused are to be tried once more: after the
    /// next look, then after twice as many looks each time, at most 64. Nothing is lost when the future is dropped before its end.
    pub async fn changed(&mut self) {
        self.is_retry = false;
        loop {
            match self.wake_up().await {
                WakeUp::Hangup => {
                    tracing::info!("SIGHUP: loading the configuration again");
                    return;
                }
                WakeUp::Documents => return,
                WakeUp::Tick if self.have_changed().await => {
                    self.settle().await;
                    tracing::info!("a configuration file has changed: loading it again");
                    return;
                }
                WakeUp::Tick => {
                    if self.refused.as_mut().is_some_and(Retry::is_due) {
                        tracing::debug!("trying settings again that were refused");
                        self.is_retry = true;
                        return;
                    }
                }
            }
        }
    }

    /// Loads again and gives what is usable to `apply`. What it cannot take, and what cannot be loaded, is logged and
    /// counted; to leave the process as it was then is up to `apply`. Returns whether all went well.
    ///
    /// `apply` is called on SIGHUP even if nothing has changed.
    pub async fn reload<T, E, F>(&mut self, apply: impl FnOnce(T) -> F) -> bool
    where
        T: Configuration + Send + 'static,
        E: Display,
        F: Future<Output = Result<(), E>>,
    {
        let settings = match self.load_again::<T>().await {
            Ok(settings) => settings,
            Err(problems) => {
                self.refuse(problems);
                return false;
            }
        };
        match apply(settings).await {
            Ok(()) => {
                self.refused = None;
                self.metrics.taken(self.clock.now());
                if let Some(documents) = &self.documents {
                    documents.keep().await;
                }
                tracing::info!("the configuration was loaded again");
                true
            }
            Err(error) => {
                self.refuse(error.to_string());
                false
            }
        }
    }

    /// Says it once, however often it is tried.
    fn refuse(&mut self, problems: String) {
        match &mut self.refused {
            Some(retry) if self.is_retry && retry.reason == problems => retry.failed_again(),
            _ => {
                self.metrics.refused();
                tracing::error!(
                    %problems,
                    "the new configuration was not taken; the last good one stays in effect, and it is tried again"
                );
                self.refused = Some(Retry::after(problems));
            }
        }
    }

    /// [`changed`](Self::changed) and [`reload`](Self::reload), for as long as the process runs. Spawn it, or wait for it
    /// beside the server. A panic of `apply` ends it; the log then says that nothing is followed any more, and it counts as
    /// refused.
    pub async fn run<T, E, F>(mut self, mut apply: impl FnMut(T) -> F)
    where
        T: Configuration + Send + 'static,
        E: Display,
        F: Future<Output = Result<(), E>>,
    {
        let _said = PanicIsSaid(self.metrics.clone());
        loop {
            self.changed().await;
            self.reload(&mut apply).await;
        }
    }

    fn texts(&mut self) -> Vec<YamlText> {
        let documents = self.documents.as_mut();
        documents
            .map(|documents| documents.texts())
            .unwrap_or_default()
    }

    async fn wake_up(&mut self) -> WakeUp {
        let ticks = self.ticks.get_or_insert_with(|| {
            let first = tokio::time::Instant::now() + self.interval;
            let mut ticks = tokio::time::interval_at(first, self.interval);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            ticks
        });
        let documents = async {
            match &mut self.documents {
                Some(documents) => documents.changed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.hangup.received() => WakeUp::Hangup,
            () = documents => WakeUp::Documents,
            _now = ticks.tick() => WakeUp::Tick,
        }
    }

    async fn have_changed(&self) -> bool {
        let loader = Arc::clone(&self.loader);
        // A failed task is a runtime that is ending.
        let looked = tokio::task::spawn_blocking(move || loader.has_changed()).await;
        looked.unwrap_or(false)
    }

    /// Waits until nobody writes the files any more, at most for [`MAX_SETTLING_ROUNDS`].
    async fn settle(&self) {
        let mut seen = Arc::clone(&self.loader);
        for _round in 0..MAX_SETTLING_ROUNDS {
            let before = Arc::clone(&seen);
            let look = tokio::task::spawn_blocking(move || {
                before.has_changed().then(|| before.refreshed())
            });
            match look.await {
                Ok(Some(now)) => seen = Arc::new(now),
                Ok(None) | Err(_) => return,
            }
            tokio::time::sleep(SETTLING).await;
        }
    }

    async fn load_again<T: Configuration + Send + 'static>(&mut self) -> Result<T, String> {
        let mut loader = Arc::clone(&self.loader);
        let texts = self.texts();
        let load = tokio::task::spawn_blocking(move || {
            let loaded = Arc::make_mut(&mut loader).load_with::<T>(texts);
            (loaded, loader)
        });
        let (loaded, loader) = load.await.map_err(|error| error.to_string())?;
        self.loader = loader;
        let loaded = loaded.map_err(|problems| problems.to_string())?;
        Ok(loaded.into_settings())
    }
}

/// Says what can be used and is probably not meant, once.
fn warn_of<T>(loaded: &mut Loaded<T>) {
    for warning in loaded.take_warnings() {
        tracing::warn!(%warning, "something in the configuration has no effect");
    }
}

/// Says that a reloader has ended in a panic: usually nobody waits for its task.
struct PanicIsSaid(ReloadMetrics);

impl Drop for PanicIsSaid {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.refused();
            tracing::error!("a panic has ended the reloader: later configurations are not taken");
        }
    }
}
