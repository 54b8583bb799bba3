//! Client authentication: cheap for a caller with the right secret, equally expensive for every other caller.
//!
//! 1. A generated secret is compared by its digest, a chosen one by what this process remembers of it.
//!    Steady traffic ends here, after a microsecond and without touching a bucket.
//! 2. Everybody else takes from the buckets of their address and of the client id they claim.
//! 3. As many argon2id runs follow as the registry's client with the most chosen secrets needs (none, one or,
//!    during a change of secret, two), whether the client exists or not and whatever kind its secret is: the
//!    time of a refusal reveals nothing.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use hallpass_token::UnixTime;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry as MetricsRegistry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::clients::registry::{Client, Registry};
use crate::clients::secret::Candidate;
use crate::token::refusal::Refusal;
use crate::token::request::Credentials;
use crate::token::throttle::Throttle;

/// argon2id runs at once; each takes a core and 19 MiB for some 16 ms.
const COSTLY_CHECKS_AT_ONCE: usize = 2;
/// How long a request waits for its turn before it is told to come back.
const COSTLY_CHECK_WAIT: Duration = Duration::from_secs(2);

/// Checks client credentials against a registry.
#[derive(Debug)]
pub(crate) struct Authenticator {
    process_key: hmac::Key,
    throttle: Throttle,
    costly: Arc<Semaphore>,
    costly_checks: Counter,
}

/// When and from where an attempt comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) source: Option<IpAddr>,
    pub(crate) now: UnixTime,
    /// For the buckets; never steps back.
    pub(crate) monotonic: Duration,
}

impl Authenticator {
    /// Remembers right secrets under `process_key`.
    pub(crate) fn new(process_key: hmac::Key) -> Self {
        Self {
            process_key,
            throttle: Throttle::new(),
            costly: Arc::new(Semaphore::new(COSTLY_CHECKS_AT_ONCE)),
            costly_checks: Counter::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut MetricsRegistry) {
        registry.register(
            "costly_secret_checks",
            "argon2id runs for client secrets that a person chose",
            self.costly_checks.clone(),
        );
    }

    /// The client, when its secret is right.
    ///
    /// # Errors
    /// [`Refusal::BadCredentials`], [`Refusal::TooManyAttempts`] or [`Refusal::Busy`], each the same for an unknown client.
    pub(crate) async fn authenticate(
        &self,
        registry: &Arc<Registry>,
        credentials: &Credentials<'_>,
        attempt: Attempt,
    ) -> Result<Arc<Client>, Refusal> {
        let id = credentials.unverified_client_id.as_ref();
        let client = registry.find(id);
        if let Some(client) = self.cheaply(registry, credentials, attempt.now) {
            return Ok(client);
        }
        if registry.costly_runs() == 0 {
            self.throttle(id, attempt)?;
            return Err(Refusal::BadCredentials);
        }
        let turn = Arc::clone(&self.costly).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(COSTLY_CHECK_WAIT, turn).await else {
            return Err(Refusal::Busy);
        };
        // After a restart all callers of a client come at once: the first has proven the secret for those behind it.
        if let Some(client) = self.cheaply(registry, credentials, attempt.now) {
            return Ok(client);
        }
        self.throttle(id, attempt)?;
        let check = CostlyCheck {
            registry: Arc::clone(registry),
            client: client.cloned(),
            secrets: credentials
                .secrets()
                .map(|secret| Zeroizing::new(secret.to_owned()))
                .collect(),
            process_key: self.process_key.clone(),
            now: attempt.now,
            runs: self.costly_checks.clone(),
            _turn: turn,
        };
        let checked = tokio::task::spawn_blocking(move || check.run()).await;
        checked.ok().flatten().ok_or(Refusal::BadCredentials)
    }

    /// Takes one attempt from the buckets.
    fn throttle(&self, client_id: &str, attempt: Attempt) -> Result<(), Refusal> {
        self.throttle
            .take(client_id, attempt.source, attempt.monotonic)
            .map_err(|retry_after| Refusal::TooManyAttempts { retry_after })
    }

    /// The client, when one reading of its secret is right and this shows without a costly hash.
    fn cheaply(
        &self,
        registry: &Registry,
        credentials: &Credentials<'_>,
        now: UnixTime,
    ) -> Option<Arc<Client>> {
        let client = registry.find(credentials.unverified_client_id.as_ref());
        let right = credentials
            .secrets()
            .any(|secret| self.is_right_cheaply(registry, client, secret, now));
        client.filter(|_| right).cloned()
    }

    /// Compares with the client's live secrets, or with the decoy when there is no such client.
    fn is_right_cheaply(
        &self,
        registry: &Registry,
        client: Option<&Arc<Client>>,
        secret: &str,
        now: UnixTime,
    ) -> bool {
        let candidate = Candidate::new(secret, &self.process_key);
        client.map_or_else(
            || registry.decoy().matches_cheaply(&candidate),
            |client| client.matches_cheaply(&candidate, now),
        )
    }
}

/// What is needed to run argon2id off the async threads.
struct CostlyCheck {
    registry: Arc<Registry>,
    client: Option<Arc<Client>>,
    /// The readings of what was presented; their number depends on the caller alone, so it reveals nothing about the client.
    secrets: Vec<Zeroizing<String>>,
    process_key: hmac::Key,
    now: UnixTime,
    runs: Counter,
    /// Held until the last run is over, also when the caller has gone away.
    _turn: OwnedSemaphorePermit,
}

impl CostlyCheck {
    /// The client, when one reading is right.
    fn run(self) -> Option<Arc<Client>> {
        let right = self
            .secrets
            .iter()
            .any(|secret| self.is_right(&Candidate::new(secret, &self.process_key)));
        self.client.filter(|_| right)
    }

    /// Compares with each chosen secret of the client, then fills up with the decoy to the registry's number of runs.
    fn is_right(&self, candidate: &Candidate<'_>) -> bool {
        let live = self
            .client
            .iter()
            .flat_map(|client| client.live_secrets(self.now));
        let mut runs = 0;
        for chosen in live.filter(|secret| secret.is_costly()) {
            runs += 1;
            self.runs.inc();
            if chosen.matches_costly(candidate) {
                chosen.remember(candidate);
                return true;
            }
        }
        for _ in runs..self.registry.costly_runs() {
            self.runs.inc();
            // Only the time that the check takes matters here, not its result.
            std::hint::black_box(self.registry.decoy().matches_costly(candidate));
        }
        false
    }
}
