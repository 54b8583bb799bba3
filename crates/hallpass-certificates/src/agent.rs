//! Asks for certificates, renews them ahead, and follows the bundle.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use hallpass_client::Credential;
use hallpass_tls::{ClientTls, ClientTlsSettings, IssuedFiles, TlsMetrics};
use hallpass_upstream::{Network, Reminders, random_fraction};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use crate::asking::{Asking, LIMIT};
use crate::bundle::Bundle;
use crate::error::{CertificateError, blocking};
use crate::folder::{Folder, Generation};
use crate::given::Given;
use crate::held::Held;
use crate::key::NewKey;
use crate::metrics::CertificateMetrics;
use crate::renewal;
use crate::settings::CertificateSettings;

/// How often it looks at the clock: a machine that has slept finds out then how old its certificate is.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Keeps the certificate of one client good: the first one is there before anybody listens, and each is renewed ahead.
///
/// ```no_run
/// use std::sync::Arc;
/// use hallpass_certificates::{CertificateAgent, CertificateSettings};
/// use hallpass_client::Credential;
/// use hallpass_upstream::{Network, StaticDiscovery};
///
/// # async fn example(credential: Credential) -> Result<(), Box<dyn std::error::Error>> {
/// let network = Network::system(Arc::new(StaticDiscovery::new()))?;
/// let authority = "https://service-auth.example:9443/ca/v1/certificate".parse()?;
/// let settings = CertificateSettings::new(authority, "/run/hallpass/tls");
/// let mut agent = CertificateAgent::new(settings, credential, &network);
/// let files = agent.start().await?;
/// tokio::spawn(agent.run());
/// // Then `ServerTlsSettings { key_pair: files.key_pair, .. }`.
/// # let _ = files;
/// # Ok(())
/// # }
/// ```
pub struct CertificateAgent {
    settings: CertificateSettings,
    folder: Folder,
    asking: Asking,
    bundle: Bundle,
    held: Option<Held>,
    metrics: CertificateMetrics,
    said: Reminders,
    /// Told when another certificate is wanted now.
    wanted: Arc<Notify>,
    rounds: watch::Sender<Round>,
}

/// How often a renewal has ended, and whether the last one has brought another certificate.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    number: u64,
    is_good: bool,
}

/// What others may do with an agent that runs. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct CertificateHandle {
    credential: Arc<ArcSwap<Credential>>,
    metrics: CertificateMetrics,
    wanted: Arc<Notify>,
    rounds: watch::Receiver<Round>,
}

impl CertificateAgent {
    /// Asks the authority of `settings` as the client of `credential`, whose own endpoint is not used. Opens no connection.
    ///
    /// `network` is the way to the issuer, and the clock; its connections trust and show what `settings.tls` says, and nothing that is to be
    /// renewed: a certificate that has ended must not stand in the way of the next one.
    #[must_use]
    pub fn new(settings: CertificateSettings, credential: Credential, network: &Network) -> Self {
        let from = settings.from.clone();
        let asking = Asking::new(from, credential, settings.tls.clone(), network.clone());
        Self {
            folder: Folder::new(settings.folder.clone()),
            bundle: Bundle::beside(&settings.from, network),
            asking,
            held: None,
            metrics: CertificateMetrics::default(),
            said: Reminders::default(),
            wanted: Arc::default(),
            rounds: watch::Sender::default(),
            settings,
        }
    }

    /// What others may do with it while it runs.
    #[must_use]
    pub fn handle(&self) -> CertificateHandle {
        CertificateHandle {
            credential: self.asking.credential(),
            metrics: self.metrics.clone(),
            wanted: Arc::clone(&self.wanted),
            rounds: self.rounds.subscribe(),
        }
    }

    /// As [`first`](Self::first), which is tried again for `start_limit` while the issuer cannot be reached, is in trouble, or wants to be
    /// left alone.
    ///
    /// # Errors
    /// As [`first`](Self::first), the last one.
    pub async fn start(&mut self) -> Result<IssuedFiles, CertificateError> {
        let until = Instant::now() + self.settings.start_limit;
        let mut failures = 0;
        loop {
            let error = match self.first().await {
                Ok(files) => return Ok(files),
                Err(error) => error,
            };
            let pause = renewal::pause(failures, error.retry_after(), random_fraction());
            if !error.may_pass() || Instant::now() + pause >= until {
                return Err(error);
            }
            tracing::warn!(%error, code = error.code(), "there is no certificate yet; the authority is asked again");
            sleep(pause).await;
            failures = failures.saturating_add(1);
        }
    }

    /// Gets a certificate, or takes the one that is in the folder and still counts where the authority gives none now. It may be asked
    /// again: each time there is another one.
    ///
    /// # Errors
    /// [`CertificateError`] when there is neither.
    pub async fn first(&mut self) -> Result<IssuedFiles, CertificateError> {
        if let Err(error) = self.renew().await {
            let found = self.left().await?;
            let Some((left, until)) = found else {
                return Err(error);
            };
            tracing::warn!(
                %error,
                seconds = left.as_secs(),
                "the certificate authority gives no certificate now: the one in the folder goes on"
            );
            self.metrics.holds(until, None);
            self.held = Some(self.held_for(left));
        }
        Ok(self.folder.files())
    }

    /// Renews the certificate ahead, and follows the bundle, until it is dropped. Failures are logged and counted; what is held goes on.
    pub async fn run(mut self) {
        let (mut failures, mut not_before) = (0, Instant::now());
        let mut bundle_at = Instant::now() + self.settings.bundle_every;
        loop {
            let renewal = self.held.map_or(not_before, |held| held.renewal());
            let next = renewal.max(not_before).min(bundle_at);
            let is_wanted = tokio::select! {
                () = sleep_until(next.min(Instant::now() + LOOK_EVERY)) => false,
                () = self.wanted.notified() => true,
            };
            if is_wanted || (Instant::now() >= not_before && self.is_due()) {
                let renewed = self.renew().await;
                self.rounds.send_modify(|round| {
                    round.number += 1;
                    round.is_good = renewed.is_ok();
                });
                match renewed {
                    Ok(()) => {
                        failures = 0;
                        if self.said.over() {
                            tracing::info!("certificates are renewed again");
                        }
                    }
                    Err(error) => {
                        self.say(&error);
                        let pause =
                            renewal::pause(failures, error.retry_after(), random_fraction());
                        not_before = Instant::now() + pause;
                        failures = failures.saturating_add(1);
                    }
                }
            }
            if Instant::now() >= bundle_at {
                self.follow_bundle().await;
                bundle_at = Instant::now() + self.settings.bundle_every;
            }
        }
    }

    /// Whether the certificate is so old that another one is needed.
    fn is_due(&self) -> bool {
        let now = (Instant::now(), self.asking.network().clock.now());
        self.held
            .is_none_or(|held| held.age(now.0, now.1) >= held.renew_at)
    }

    /// One that came now, and counts for that long.
    fn held_for(&self, life: Duration) -> Held {
        let now = (Instant::now(), self.asking.network().clock.now());
        let renew_at = renewal::after(life, &self.settings, random_fraction());
        Held::new(now, life, renew_at)
    }

    fn say(&self, error: &CertificateError) {
        if self.said.is_due(&error.to_string()) {
            let ends_in = self.held.map(|held| {
                let age = held.age(Instant::now(), self.asking.network().clock.now());
                held.life.saturating_sub(age).as_secs()
            });
            tracing::error!(%error, code = error.code(), ends_in, "the certificate cannot be renewed; the one that is held goes on until its end");
        }
    }

    /// Gets another certificate, for another key, and puts it into the place of the one before.
    async fn renew(&mut self) -> Result<(), CertificateError> {
        let renewed = self.obtain().await;
        let (result, life, until) = match renewed {
            Ok(renewed) => renewed,
            Err(error) => {
                self.metrics.asked(error.code());
                return Err(error);
            }
        };
        self.metrics.asked(result);
        let came = self.asking.network().clock.now();
        self.metrics.holds(until, Some(came));
        self.held = Some(self.held_for(life));
        // It came with a bundle, which may be that of an instance that knows less.
        self.bundle.is_another();
        Ok(())
    }

    /// How it was proven, for how long it counts, and until when.
    async fn obtain(&self) -> Result<(&'static str, Duration, u64), CertificateError> {
        let key = NewKey::make()?;
        let by_certificate = match self.left().await? {
            Some(_) => {
                let pair = self.folder.files().key_pair;
                self.asking.by_certificate(&key.request, pair).await
            }
            None => None,
        };
        let (result, said) = match by_certificate {
            Some(said) => ("by_certificate", said),
            None => {
                let said = self.asking.by_credential(&key.request).await?;
                ("by_credential", said)
            }
        };
        let given = Given::read(&said, &key.public)?;
        let (life, until) = (given.life().unwrap_or_default(), given.not_after);
        let (folder, check) = (self.folder.clone(), self.check());
        blocking(move || {
            let generation = Generation {
                key: &key.pem,
                certificate: &given.certificate_chain,
                bundle: &given.bundle,
                until,
            };
            folder.replace(&generation, check)
        })
        .await?;
        Ok((result, life, until))
    }

    /// Whether files can be used by those who follow them.
    fn check(&self) -> impl FnOnce(&IssuedFiles) -> Result<(), CertificateError> + Send + 'static {
        let clock = Arc::clone(&self.asking.network().clock);
        move |files| {
            let settings = ClientTlsSettings {
                system_roots: false,
                ca_file: Some(files.ca_file.clone()),
                key_pair: Some(files.key_pair.clone()),
            };
            ClientTls::load(&settings, clock, &TlsMetrics::default())?;
            Ok(())
        }
    }

    /// For how long the certificate in the folder counts, by the clock of this machine, and until when.
    async fn left(&self) -> Result<Option<(Duration, u64)>, CertificateError> {
        let (folder, now) = (self.folder.clone(), self.asking.network().clock.now());
        let until = blocking(move || Ok(folder.until())).await?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs();
        Ok(until.and_then(|until| {
            let left = until.checked_sub(now).filter(|left| *left > 0)?;
            Some((Duration::from_secs(left), until))
        }))
    }

    async fn follow_bundle(&mut self) {
        match self.fetch_bundle().await {
            Ok(result) => self.metrics.fetched(result),
            Err(error) => {
                self.metrics.fetched(error.code());
                tracing::warn!(%error, code = error.code(), "the bundle of authorities cannot be fetched; the one that is held goes on");
            }
        }
    }

    /// Fetches the bundle, and writes it where it is another one.
    async fn fetch_bundle(&mut self) -> Result<&'static str, CertificateError> {
        let Some(fetched) = self.bundle.fetch(LIMIT).await? else {
            return Ok("unchanged");
        };
        let (folder, check, text) = (self.folder.clone(), self.check(), fetched.text.clone());
        let written = blocking(move || {
            if folder.bundle().as_deref() == Some(text.as_str()) {
                return Ok("unchanged");
            }
            folder.replace_bundle(&text, check).map(|()| "changed")
        });
        let written = written.await?;
        self.bundle.is(fetched);
        Ok(written)
    }
}

impl CertificateHandle {
    /// What it counts.
    #[must_use]
    pub fn metrics(&self) -> &CertificateMetrics {
        &self.metrics
    }

    /// Gets another certificate now, with another key, as when somebody may have seen the private one. Returns whether one is there; what was
    /// held goes on when there is none. It waits for no longer than the renewal takes, and for nothing when the agent has ended.
    pub async fn renew(&self) -> bool {
        let mut rounds = self.rounds.clone();
        let before = rounds.borrow_and_update().number;
        self.wanted.notify_one();
        let after = rounds.wait_for(|round| round.number != before).await;
        after.is_ok_and(|round| round.is_good)
    }

    /// Asks by another credential from now on.
    pub fn ask_by(&self, credential: Credential) {
        self.credential.store(Arc::new(credential));
    }
}

impl fmt::Debug for CertificateAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateAgent")
            .field("from", &self.settings.from)
            .field("folder", &self.folder)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CertificateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateHandle").finish_non_exhaustive()
    }
}
