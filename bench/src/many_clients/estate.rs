//! A store with so many clients, and what each of them proves itself with.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hallpass::clock::{Clock, SystemClock};
use hallpass::config::Secret;
use hallpass_issuer::{ApplyOptions, IssuerSettings, apply_clients};
use tokio::time::Instant;

use super::client::{audience, name, other_audience, secret};
use super::load;
use crate::measure::Failure;

/// How often it is looked whether a new client counts.
const LOOK_EVERY: Duration = Duration::from_millis(2);
const PATIENCE: Duration = Duration::from_secs(60);

/// A store and its configuration.
pub(super) struct Estate {
    settings: IssuerSettings,
    clock: Arc<dyn Clock>,
    configuration: PathBuf,
    clients: u32,
    registered: Duration,
}

impl Estate {
    /// Registers the clients as `hallpass apply` does, `batch` in each transaction.
    pub(super) async fn register(folder: &Path, clients: u32, batch: u32) -> Result<Self, Failure> {
        let store = folder.join(format!("with-{clients}.db"));
        let configuration = folder.join(format!("with-{clients}.yaml"));
        let mut estate = Self {
            settings: IssuerSettings {
                store,
                ..IssuerSettings::default()
            },
            clock: Arc::new(SystemClock::new()),
            configuration,
            clients,
            registered: Duration::ZERO,
        };
        hallpass_issuer::first_client(&estate.settings, &estate.clock, |_| Ok(())).await?;
        let begun = Instant::now();
        let mut next = 0;
        while next < clients {
            let end = clients.min(next.saturating_add(batch.max(1)));
            estate.apply(next..end).await?;
            next = end;
        }
        estate.registered = begun.elapsed();
        Ok(estate)
    }

    async fn apply(&self, numbers: std::ops::Range<u32>) -> Result<(), Failure> {
        let mut text = "hallpass:\n  issuer:\n    clients:\n".to_owned();
        for number in numbers {
            let kept = URL_SAFE_NO_PAD.encode(digest(&SHA256, secret(number).as_bytes()));
            let (one, other) = (audience(number), other_audience(number));
            writeln!(
                text,
                "      - {{ client-id: {}, client-secret-digest: '$sha256${kept}', audiences: [of-{one}, of-{other}], scopes: [read, write] }}",
                name(number)
            )?;
        }
        let texts = [("clients.yaml".to_owned(), Secret::new(text))];
        let options = ApplyOptions::default();
        apply_clients(&self.settings, &self.clock, &texts, options, |_| Ok(())).await?;
        Ok(())
    }

    pub(super) const fn registered(&self) -> Duration {
        self.registered
    }

    /// Writes the configuration of an issuer on this store.
    pub(super) fn configure(&self, address: SocketAddr) -> Result<&Path, Failure> {
        let store = self.settings.store.display();
        let yaml = format!(
            "hallpass:\n  issuer:\n    listen: {address}\n    name: internal\n    store: '{store}'\n"
        );
        std::fs::write(&self.configuration, yaml)?;
        Ok(&self.configuration)
    }

    /// Registers one more client, and waits until the issuer gives it a token: how long that takes from when it is registered.
    pub(super) async fn until_one_more_counts(
        &self,
        issuer: SocketAddr,
    ) -> Result<Duration, Failure> {
        let number = self.clients;
        self.apply(number..number + 1).await?;
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if load::is_known(issuer, number).await? {
                return Ok(begun.elapsed());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err("a further client is not known".into())
    }
}
