//! The issuer's configuration: loaded at the start, and again while it runs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hallpass::clock::Clock;
use hallpass::config::WatchedLoader;
use hallpass_issuer::{IssuerSettings, RunningIssuer};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::task::block_in_place;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use crate::output::Failure;
use crate::settings::ConfigArguments;

/// How long files must stay as they are before they are loaded: somebody may be writing them.
const SETTLING: Duration = Duration::from_millis(200);
/// How often a file may change within [`SETTLING`] before it is loaded nevertheless.
const MAX_SETTLING_ROUNDS: u32 = 25;

/// Where the issuer's settings come from: files, environment and flags.
pub(super) struct IssuerConfiguration {
    arguments: ConfigArguments,
    watched: WatchedLoader,
    /// Flags that win over the configuration.
    listen: Option<SocketAddr>,
    store: Option<PathBuf>,
}

impl IssuerConfiguration {
    pub(super) fn new(
        arguments: &ConfigArguments,
        listen: Option<SocketAddr>,
        store: Option<PathBuf>,
    ) -> Self {
        Self {
            watched: WatchedLoader::new(arguments.loader()),
            arguments: arguments.clone(),
            listen,
            store,
        }
    }

    /// Reads all sources.
    ///
    /// # Errors
    /// A usage failure with a line for each problem.
    pub(super) fn load(&mut self) -> Result<IssuerSettings, Failure> {
        let loaded = self.watched.load().map_err(Failure::usage)?;
        let mut settings = self.arguments.issuer_of(loaded)?;
        if let Some(listen) = self.listen {
            settings.listen = listen;
        }
        if let Some(store) = &self.store {
            settings.store.clone_from(store);
        }
        Ok(settings)
    }
}

/// Hands a changed configuration to a running issuer.
///
/// A configuration that cannot be used changes nothing: the issuer goes on with the last good one, and log and metric
/// say so.
pub(super) struct Reload {
    configuration: IssuerConfiguration,
    clock: Arc<dyn Clock>,
    ticks: Interval,
    metrics: ReloadMetrics,
}

impl Reload {
    /// Looks at the files of `configuration`, which was loaded just now, once in each `watch_every`. Must be called inside a tokio runtime.
    pub(super) fn new(
        configuration: IssuerConfiguration,
        watch_every: Duration,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let mut ticks = interval(watch_every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let metrics = ReloadMetrics::default();
        metrics.succeeded_at(clock.as_ref());
        Self {
            configuration,
            clock,
            ticks,
            metrics,
        }
    }

    /// Adds `config_reloads` and `config_last_reload_success_timestamp_seconds` to `registry`.
    pub(super) fn register(&self, registry: &mut Registry) {
        self.metrics.register(registry);
    }

    /// Waits until a file differs from what was read of it, and nobody writes it any more. It may be dropped at any time.
    pub(super) async fn changed(&mut self) {
        let watched = &self.configuration.watched;
        loop {
            self.ticks.tick().await;
            // Files of a few kilobytes, on a runtime with several threads.
            if block_in_place(|| watched.has_changed()) {
                return settle(watched).await;
            }
        }
    }

    /// Loads the configuration, and clients and keys of the store with it, and hands them to `issuer`.
    pub(super) async fn run(&mut self, issuer: &RunningIssuer) {
        let applied = match block_in_place(|| self.configuration.load()) {
            Ok(settings) => issuer.apply(&settings).await.map_err(|error| {
                tracing::error!(%error, "not reloaded: the last good configuration stays in use");
            }),
            Err(failure) => {
                failure.report();
                tracing::error!(
                    "not reloaded: the configuration cannot be used, the last good one stays in use"
                );
                Err(())
            }
        };
        match applied {
            Ok(()) => {
                self.metrics.count("ok");
                self.metrics.succeeded_at(self.clock.as_ref());
                tracing::info!("clients and keys were read again");
            }
            Err(()) => self.metrics.count("refused"),
        }
    }
}

/// Waits until the files stay as they are, at most for [`MAX_SETTLING_ROUNDS`]: the first half of a list of clients is a
/// configuration too.
async fn settle(watched: &WatchedLoader) {
    let mut seen = block_in_place(|| watched.refreshed());
    for _round in 0..MAX_SETTLING_ROUNDS {
        sleep(SETTLING).await;
        if !block_in_place(|| seen.has_changed()) {
            return;
        }
        seen = block_in_place(|| seen.refreshed());
    }
}

#[derive(Clone, Debug, Default)]
struct ReloadMetrics {
    reloads: Family<ResultLabel, Counter>,
    last_success: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

impl ReloadMetrics {
    fn register(&self, registry: &mut Registry) {
        for result in ["ok", "refused"] {
            // Shown from the start, so that the first refusal is an increase.
            drop(self.reloads.get_or_create(&ResultLabel { result }));
        }
        registry.register(
            "config_reloads",
            "Times that the configuration was loaded again",
            self.reloads.clone(),
        );
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When the configuration in use was loaded",
            self.last_success.clone(),
        );
    }

    fn count(&self, result: &'static str) {
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    fn succeeded_at(&self, clock: &dyn Clock) {
        let since = clock.now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.last_success
            .set(i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    }
}
