//! Client authentication: one file a way to prove who one is.
//!
//! A client proves itself by the one method that it is registered for. Who comes by another is refused as an unknown
//! client is, so that a secret cannot stand in for a key, nor the other way round.

mod by_assertion;
mod by_certificate;
mod by_secret;
mod by_trusted_issuer;

use std::sync::Arc;

use aws_lc_rs::hmac;
use hallpass_upstream::{ReplayKind, StoreAway};
use prometheus_client::registry::Registry as MetricsRegistry;

use crate::clients::registry::{Client, Registry};
use crate::deny_list::DenyList;
use crate::http::public_urls::PublicUrls;
use crate::replays::Replays;
use crate::token::attempt::Attempt;
use crate::token::client_auth::by_assertion::AssertionChecks;
use crate::token::client_auth::by_secret::SecretChecks;
use crate::token::client_auth::by_trusted_issuer::TrustedChecks;
use crate::token::credentials::{AssertionCredentials, Credentials};
use crate::token::refusal::Refusal;
use crate::token::refusal::assertion::AssertionRefusal;
use crate::token::shown::Shown;
use crate::token::throttle::{Pass, Throttle, Work};
use crate::trusted_issuers::Trust;
use crate::uses::Uses;

/// Checks client credentials against a registry. Outlives every reload.
#[derive(Debug)]
pub(crate) struct Authenticator {
    secrets: SecretChecks,
    assertions: AssertionChecks,
    trusted: TrustedChecks,
    throttle: Arc<Throttle>,
    replays: Arc<Replays>,
}

impl Authenticator {
    /// Remembers right secrets under `process_key`. Assertions must be addressed to the issuer of `urls`. Other issuers are
    /// believed as `trust` says, of subjects that the deny-list does not have. What is used is noted in `uses`.
    pub(crate) fn new(
        process_key: &hmac::Key,
        urls: &PublicUrls,
        (trust, deny_list): (&Arc<Trust>, &Arc<DenyList>),
        replays: &Arc<Replays>,
        uses: &Arc<Uses>,
    ) -> Self {
        let throttle = Arc::new(Throttle::new());
        let assertions = AssertionChecks::new(urls, Arc::clone(&throttle), replays);
        Self {
            secrets: SecretChecks::new(
                process_key.clone(),
                Arc::clone(&throttle),
                Arc::clone(uses),
            ),
            trusted: TrustedChecks::new(
                Arc::clone(trust),
                Arc::clone(deny_list),
                Arc::clone(&throttle),
                assertions.counter(),
            ),
            assertions,
            throttle,
            replays: Arc::clone(replays),
        }
    }

    pub(crate) fn register(&self, registry: &mut MetricsRegistry) {
        self.secrets.register(registry);
        self.assertions.register(registry);
        self.throttle.lockouts().register(registry);
    }

    /// Leave of the throttle for the check of a signature that is made elsewhere, for a client that is named.
    ///
    /// # Errors
    /// [`Refusal::TooManyAttempts`].
    pub(crate) fn admit_check(
        &self,
        unverified_client_id: &str,
        attempt: Attempt,
    ) -> Result<Pass<'_>, Refusal> {
        let (source, now) = (attempt.source, attempt.monotonic);
        self.throttle
            .admit(Work::Signature, unverified_client_id, source, now)
            .map_err(|locked| {
                self.throttle
                    .too_many(locked, unverified_client_id, attempt)
            })
    }

    /// What stands before every check.
    pub(crate) fn throttle(&self) -> &Throttle {
        &self.throttle
    }

    /// The client, when it has proven who it is; `shown` is the certificate of its connection.
    ///
    /// # Errors
    /// [`Refusal::BadCredentials`], [`Refusal::TooManyAttempts`] or [`Refusal::Busy`], each the same for an unknown client;
    /// what an assertion says for itself that it should not; [`AssertionRefusal::KeysUnavailable`](crate::AssertionRefusal).
    pub(crate) async fn authenticate(
        &self,
        registry: &Arc<Registry>,
        credentials: &Credentials<'_>,
        shown: Shown<'_>,
        attempt: Attempt,
    ) -> Result<Arc<Client>, Refusal> {
        // Boxed where the check of a signature takes much longer than that: their room would be copied for each secret too.
        match credentials {
            Credentials::Secret(credentials) => {
                let checks = &self.secrets;
                checks.authenticate(registry, credentials, attempt).await
            }
            Credentials::Name(client_id) => {
                by_certificate::authenticate(registry, client_id, shown).await
            }
            Credentials::Assertion(credentials) => {
                Box::pin(self.by_assertion(registry, credentials, attempt)).await
            }
        }
    }

    async fn by_assertion(
        &self,
        registry: &Registry,
        credentials: &AssertionCredentials<'_>,
        attempt: Attempt,
    ) -> Result<Arc<Client>, Refusal> {
        let (client, used) = match self.trusted.issuer_of(credentials) {
            Some(issuer) => {
                let checks = &self.trusted;
                let checked = checks.authenticate(registry, &issuer, credentials, attempt);
                checked.await?
            }
            None => {
                let checked = self.assertions.authenticate(registry, credentials, attempt);
                let (client, used) = checked.await?;
                (client, Some(used))
            }
        };
        // Last, when nobody is kept waiting by it: the throttle has had its answer.
        let Some(used) = used else {
            return Ok(client);
        };
        let asked =
            self.replays
                .is_first(ReplayKind::Assertion, client.id.as_str(), used, attempt.now);
        match asked.await {
            Ok(true) => Ok(client),
            Ok(false) => Err(Refusal::Assertion(AssertionRefusal::Replayed)),
            Err(StoreAway) => Err(Refusal::ReplayStoreAway),
        }
    }
}
