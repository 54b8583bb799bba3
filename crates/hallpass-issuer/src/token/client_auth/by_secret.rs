//! A client proves itself with a secret: nothing that can be guessed is compared before the throttle agrees.
//!
//! 1. A generated secret is compared by its digest. It has too many bits to guess, so it needs no bucket: its client is let
//!    in whatever others try.
//! 2. Everybody else needs leave of the throttle (`token/throttle.rs`): past its failures a client at an address is refused
//!    without a comparison, also with the right secret.
//! 3. A chosen secret is compared by its HMAC, which costs a microsecond.
//! 4. Only when the store holds chosen secrets: as many argon2id runs as its client with the most of them needs (one or,
//!    during a change of secret, two), whether the client exists or not and whatever kind its secret is.
//!
//! In each step a client that does not exist costs what another costs, so the time of a refusal reveals nothing.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use hallpass_token::UnixTime;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry as MetricsRegistry;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use zeroize::Zeroizing;

use crate::clients::argon2id::Buffers;
use crate::clients::registry::{Client, Registry};
use crate::clients::secret::{Candidate, LiveSecret};
use crate::token::attempt::Attempt;
use crate::token::credentials::SecretCredentials;
use crate::token::refusal::Refusal;
use crate::token::throttle::{Pass, Throttle, Work};
use crate::uses::Uses;

/// argon2id runs at once; each takes a core and 19 MiB for some 16 ms.
const COSTLY_CHECKS_AT_ONCE: usize = 2;
/// How long a request waits for its turn before it is told to come back.
const COSTLY_CHECK_WAIT: Duration = Duration::from_secs(2);

/// Checks client secrets against a registry. Outlives every reload.
#[derive(Debug)]
pub(crate) struct SecretChecks {
    process_key: hmac::Key,
    throttle: Arc<Throttle>,
    uses: Arc<Uses>,
    costly: Arc<Semaphore>,
    buffers: Arc<Buffers>,
    chosen_checks: Counter,
    costly_checks: Counter,
}

impl SecretChecks {
    /// Remembers right secrets under `process_key`, and notes their use in `uses`.
    pub(crate) fn new(process_key: hmac::Key, throttle: Arc<Throttle>, uses: Arc<Uses>) -> Self {
        Self {
            process_key,
            throttle,
            uses,
            costly: Arc::new(Semaphore::new(COSTLY_CHECKS_AT_ONCE)),
            buffers: Arc::default(),
            chosen_checks: Counter::default(),
            costly_checks: Counter::default(),
        }
    }

    pub(crate) fn register(&self, registry: &mut MetricsRegistry) {
        registry.register(
            "chosen_secret_checks",
            "Attempts that were compared with a client secret that a person chose, or as if there were one",
            self.chosen_checks.clone(),
        );
        registry.register(
            "costly_secret_checks",
            "argon2id runs for client secrets that a person chose and of which only the hash is known",
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
        credentials: &SecretCredentials<'_>,
        attempt: Attempt,
    ) -> Result<Arc<Client>, Refusal> {
        let id = credentials.unverified_client_id.as_ref();
        let client = find(registry, credentials, attempt);
        let check = |compare: Compare| self.compare(registry, credentials, attempt, compare);
        if let Some(client) = check(LiveSecret::matches_generated) {
            self.throttle.right_beyond_doubt(id, attempt.source);
            return Ok(client);
        }
        let pass = self.admit(id, attempt)?;
        if let Some(client) = check(LiveSecret::matches_chosen) {
            pass.was_right();
            return Ok(client);
        }
        let unproven = client.is_some_and(|client| client.is_unproven(attempt.now));
        let paid = (!unproven).then_some(pass);
        if let Some(paid) = &paid {
            paid.failed();
        }
        if registry.costly_runs() == 0 {
            return Err(Refusal::BadCredentials);
        }
        Box::pin(self.costly(registry, credentials, attempt, paid)).await
    }

    /// Leave of the throttle for one comparison.
    fn admit(&self, client_id: &str, attempt: Attempt) -> Result<Pass<'_>, Refusal> {
        let pass = self
            .throttle
            .admit(
                Work::Comparison,
                client_id,
                attempt.source,
                attempt.monotonic,
            )
            .map_err(|locked| self.throttle.too_many(locked, client_id, attempt))?;
        self.chosen_checks.inc();
        Ok(pass)
    }

    /// The last step. `paid` is absent while there was nothing to compare with: then it is paid when the turn comes, so that
    /// the first callers after a restart, who all come at once, do not use up each other's bucket.
    async fn costly(
        &self,
        registry: &Arc<Registry>,
        credentials: &SecretCredentials<'_>,
        attempt: Attempt,
        paid: Option<Pass<'_>>,
    ) -> Result<Arc<Client>, Refusal> {
        let id = credentials.unverified_client_id.as_ref();
        let client = find(registry, credentials, attempt);
        let turn = Arc::clone(&self.costly).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(COSTLY_CHECK_WAIT, turn).await else {
            return Err(Refusal::Busy);
        };
        let pass = match paid {
            Some(pass) => pass,
            None => {
                let pass = self.admit(id, attempt)?;
                let compare = LiveSecret::matches_chosen;
                // The first has proven the secret for those behind it.
                let right = self.compare(registry, credentials, attempt, compare);
                if let Some(client) = right {
                    pass.was_right();
                    return Ok(client);
                }
                pass.failed();
                pass
            }
        };
        let check = CostlyCheck {
            registry: Arc::clone(registry),
            client: client.cloned(),
            secrets: credentials
                .secrets()
                .map(|secret| Zeroizing::new(secret.to_owned()))
                .collect(),
            process_key: self.process_key.clone(),
            uses: Arc::clone(&self.uses),
            buffers: Arc::clone(&self.buffers),
            now: attempt.now,
            runs: self.costly_checks.clone(),
            _turn: turn,
        };
        let checked = tokio::task::spawn_blocking(move || check.run()).await;
        let client = checked.ok().flatten().ok_or(Refusal::BadCredentials)?;
        pass.was_right_after_all();
        Ok(client)
    }

    /// The client, when one reading of its secret is right; without one, as much work as for another.
    fn compare(
        &self,
        registry: &Registry,
        credentials: &SecretCredentials<'_>,
        attempt: Attempt,
        compare: Compare,
    ) -> Option<Arc<Client>> {
        let client = find(registry, credentials, attempt);
        let mut readings = credentials.secrets();
        let right = readings.find_map(|secret| {
            let candidate = Candidate::new(secret, &self.process_key);
            match client {
                Some(client) => client
                    .live_secrets(attempt.now)
                    .find(|secret| compare(secret, &candidate)),
                None => {
                    std::hint::black_box(compare(registry.decoy(), &candidate));
                    None
                }
            }
        });
        let (client, right) = client.zip(right)?;
        right.note_use(client.id.as_str(), attempt.now, &self.uses);
        Some(Arc::clone(client))
    }
}

/// The client that may prove itself so. One that may not, or has no secret that lives, is treated as if there were none,
/// in time too.
fn find<'r>(
    registry: &'r Registry,
    credentials: &SecretCredentials<'_>,
    attempt: Attempt,
) -> Option<&'r Arc<Client>> {
    let client = registry.find(&credentials.unverified_client_id)?;
    let is_fit = client.takes_secret(credentials.place) && client.has_live_secret(attempt.now);
    is_fit.then_some(client)
}

/// A cheap way to compare.
type Compare = fn(&LiveSecret, &Candidate<'_>) -> bool;

/// What is needed to run argon2id off the async threads.
struct CostlyCheck {
    registry: Arc<Registry>,
    client: Option<Arc<Client>>,
    /// The readings of what was presented; their number depends on the caller alone, so it reveals nothing about the client.
    secrets: Vec<Zeroizing<String>>,
    process_key: hmac::Key,
    uses: Arc<Uses>,
    buffers: Arc<Buffers>,
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
            if chosen.matches_costly(candidate, &self.buffers) {
                chosen.remember(candidate);
                if let Some(client) = &self.client {
                    chosen.note_use(client.id.as_str(), self.now, &self.uses);
                }
                return true;
            }
        }
        for _ in runs..self.registry.costly_runs() {
            self.runs.inc();
            let decoy = self.registry.decoy();
            // Only the time that the check takes matters here, not its result.
            std::hint::black_box(decoy.matches_costly(candidate, &self.buffers));
        }
        false
    }
}

#[cfg(test)]
mod tests;
