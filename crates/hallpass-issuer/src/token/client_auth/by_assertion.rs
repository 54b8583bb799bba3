//! A client proves itself with a JWT that its private key has signed (`private_key_jwt`, RFC 7523 section 2.2).
//!
//! 1. What the assertion says for itself is looked at first: form, type, audience, life. It costs microseconds, and since
//!    it depends on nothing but the text, the reason for a refusal is told.
//! 2. The throttle must agree: a signature cannot be guessed, but checking one costs a hundred microseconds, so whoever
//!    sends wrong ones is soon refused without a check.
//! 3. The signature is checked by a key of the client. A client that does not exist, or that proves itself otherwise, costs
//!    a check by a key that is nobody's.
//! 4. An assertion counts once: its `jti` is remembered until it ends. Only an assertion whose signature is right comes so
//!    far, so nobody but clients with keys can fill the memory, and none the share of others. When it is full it refuses
//!    what is new rather than forget what could still be used again: the 200,000 of a client are 2,800 requests a second
//!    whose assertions live for a minute (and ten seconds for clocks that differ), or 640 whose live for five.
//!
//! It is one process that remembers, and behind it what the instances of the issuer share, where there is Redis. Without
//! that each takes an assertion once, and after a restart one that was used before counts once more. What keeps others from having it
//! in the first place is TLS.

use std::sync::Arc;
use std::time::Duration;

use hallpass_token::{
    Algorithms, AssertionAudience, AssertionError, AssertionPolicy, JwkSet, NobodysKeys,
    ReplayName, Seen, UnverifiedAssertion, VerifiedAssertion, VerifyError,
};
use hallpass_upstream::MemoryReplays;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as MetricsRegistry;

use crate::clients::authentication::KeyAuthentication;
use crate::clients::client_keys::{ASSERTION_ALGORITHMS, KeysAtHand};
use crate::clients::registry::{Client, Registry};
use crate::http::public_urls::{PublicUrls, TOKEN_PATH};
use crate::replays::{Replays, Used};
use crate::token::attempt::Attempt;
use crate::token::credentials::AssertionCredentials;
use crate::token::refusal::Refusal;
use crate::token::refusal::assertion::AssertionRefusal;
use crate::token::throttle::{Pass, Throttle, Work};

/// How far ahead an assertion may end. Who makes one for each request needs a minute.
const MAX_LIFE: Duration = Duration::from_secs(300);
/// Used assertions that are remembered, some 16 MiB; half of them of one client at most.
const MOST_REMEMBERED: usize = 400_000;
/// How far the clocks of client and issuer may differ.
const LEEWAY: Duration = Duration::from_secs(10);

/// Checks assertions against a registry. Outlives every reload.
#[derive(Debug)]
pub(crate) struct AssertionChecks {
    policy: AssertionPolicy,
    algorithms: Algorithms,
    throttle: Arc<Throttle>,
    used: MemoryReplays,
    nobody: NobodysKeys,
    checks: Counter,
    remembered: Gauge,
}

impl AssertionChecks {
    pub(crate) fn new(urls: &PublicUrls, throttle: Arc<Throttle>, replays: &Replays) -> Self {
        Self {
            policy: AssertionPolicy {
                issuer: urls.issuer.as_str().into(),
                token_endpoint: urls.endpoint(TOKEN_PATH).into(),
                max_life: MAX_LIFE,
                leeway: LEEWAY,
            },
            algorithms: ASSERTION_ALGORITHMS.into_iter().collect(),
            throttle,
            used: replays.memory(MOST_REMEMBERED, MAX_LIFE.saturating_add(2 * LEEWAY)),
            nobody: NobodysKeys::new(),
            checks: Counter::default(),
            remembered: Gauge::default(),
        }
    }

    /// What counts the signatures that are checked.
    pub(crate) fn counter(&self) -> Counter {
        self.checks.clone()
    }

    pub(crate) fn register(&self, registry: &mut MetricsRegistry) {
        registry.register(
            "client_assertion_checks",
            "Signatures of client assertions that were checked, or as if there were a key to check them by",
            self.checks.clone(),
        );
        registry.register(
            "client_assertions_remembered",
            "Client assertions that were used and have not ended",
            self.remembered.clone(),
        );
    }

    /// The client, when its assertion is right and was not used here before; it may have been elsewhere.
    ///
    /// # Errors
    /// What the assertion says for itself that it should not; [`Refusal::TooManyAttempts`] and
    /// [`Refusal::BadCredentials`], each the same for an unknown client; of a right one [`AssertionRefusal::Algorithm`], [`AssertionRefusal::Audience`],
    /// [`AssertionRefusal::Replayed`] and [`AssertionRefusal::MemoryFull`]; [`AssertionRefusal::KeysUnavailable`].
    pub(crate) async fn authenticate(
        &self,
        registry: &Registry,
        credentials: &AssertionCredentials<'_>,
        attempt: Attempt,
    ) -> Result<(Arc<Client>, Used), Refusal> {
        let parsed = UnverifiedAssertion::parse(&credentials.assertion, &self.policy, attempt.now);
        let assertion = parsed.map_err(refusal)?;
        let id = assertion.unverified_subject();
        let named = credentials.unverified_client_id.as_deref();
        if named.is_some_and(|named| named != id) {
            return Err(Refusal::Assertion(AssertionRefusal::Subject));
        }
        // Who is past its failures costs no fetch either.
        drop(self.admit(id, attempt)?);
        let client = registry
            .find(id)
            .and_then(|client| Some((client, client.key()?)));
        let keys = match client {
            Some((client, key)) => Some(keys_for(client, key, &assertion).await?),
            None => None,
        };
        // From here on nothing waits, so that no more are checked at once than there are threads.
        let pass = self.admit(id, attempt)?;
        let checked = self.check(
            client,
            keys.as_ref().map(KeysAtHand::set),
            &assertion,
            attempt,
        );
        match &checked {
            Ok(_) => pass.was_right(),
            // The right client, though not now.
            Err(Refusal::Assertion(AssertionRefusal::MemoryFull)) => drop(pass),
            Err(_) => pass.failed(),
        }
        checked
    }

    /// Leave of the throttle for one check.
    fn admit(&self, client_id: &str, attempt: Attempt) -> Result<Pass<'_>, Refusal> {
        self.throttle
            .admit(
                Work::Signature,
                client_id,
                attempt.source,
                attempt.monotonic,
            )
            .map_err(|locked| self.throttle.too_many(locked, client_id, attempt))
    }

    fn check(
        &self,
        client: Option<(&Arc<Client>, &KeyAuthentication)>,
        keys: Option<&JwkSet>,
        assertion: &UnverifiedAssertion<'_>,
        attempt: Attempt,
    ) -> Result<(Arc<Client>, Used), Refusal> {
        let (client, verified) = self.verify(client, keys, assertion)?;
        let (client, key) = client;
        if verified.audience == AssertionAudience::TokenEndpoint && !key.takes_token_endpoint {
            return Err(Refusal::Assertion(AssertionRefusal::Audience));
        }
        if let Some(profile) = client.profile {
            if !profile.algorithms().contains(verified.algorithm) {
                return Err(Refusal::Assertion(AssertionRefusal::Algorithm));
            }
            if verified.audience != AssertionAudience::Issuer {
                return Err(Refusal::Assertion(AssertionRefusal::Audience));
            }
        }
        let id = client.id.as_str();
        let token_id = verified.token_id.as_str();
        let used = Used {
            name: ReplayName::of(&[b"of client", id.as_bytes(), token_id.as_bytes()]),
            until: verified.expires_at.saturating_add(LEEWAY),
        };
        let seen = used.see(&self.used, id, attempt.now);
        let remembered = i64::try_from(self.used.len());
        self.remembered.set(remembered.unwrap_or(i64::MAX));
        match seen {
            Seen::First => Ok((Arc::clone(client), used)),
            Seen::Again => Err(Refusal::Assertion(AssertionRefusal::Replayed)),
            Seen::Full => Err(Refusal::Assertion(AssertionRefusal::MemoryFull)),
        }
    }

    /// One check of a signature, whatever comes of it.
    fn verify<'c>(
        &self,
        client: Option<(&'c Arc<Client>, &'c KeyAuthentication)>,
        keys: Option<&JwkSet>,
        assertion: &UnverifiedAssertion<'_>,
    ) -> Result<((&'c Arc<Client>, &'c KeyAuthentication), VerifiedAssertion), Refusal> {
        self.checks.inc();
        let (Some(client), Some(keys)) = (client, keys) else {
            assertion.verify_in_vain(&self.nobody);
            return Err(Refusal::BadCredentials);
        };
        match assertion.verify(keys, self.algorithms) {
            Ok(verified) => Ok((client, verified)),
            Err(error) => {
                if error != AssertionError::Token(VerifyError::Signature) {
                    // No key fits, so nothing was checked.
                    assertion.verify_in_vain(&self.nobody);
                }
                Err(Refusal::BadCredentials)
            }
        }
    }
}

/// The keys of the client, fetched if need be.
async fn keys_for(
    client: &Client,
    key: &KeyAuthentication,
    assertion: &UnverifiedAssertion<'_>,
) -> Result<KeysAtHand, Refusal> {
    key.keys
        .keys_for(assertion.key_id())
        .await
        .map_err(|error| {
            key.keys.say_unavailable(&client.id, &error);
            Refusal::Assertion(AssertionRefusal::KeysUnavailable)
        })
}

/// What an assertion says for itself that it should not.
fn refusal(error: AssertionError) -> Refusal {
    match error {
        AssertionError::Token(VerifyError::AlgorithmUnsupported) => {
            Refusal::Assertion(AssertionRefusal::Algorithm)
        }
        AssertionError::NotSelfIssued => Refusal::Assertion(AssertionRefusal::Subject),
        AssertionError::Audience => Refusal::Assertion(AssertionRefusal::Audience),
        AssertionError::NoTokenId => Refusal::Assertion(AssertionRefusal::WithoutId),
        AssertionError::Expired => Refusal::Assertion(AssertionRefusal::Expired),
        AssertionError::NotYetValid => Refusal::Assertion(AssertionRefusal::Early),
        AssertionError::TooLong => Refusal::Assertion(AssertionRefusal::Long),
        _ => Refusal::Assertion(AssertionRefusal::Malformed),
    }
}

#[cfg(test)]
mod tests;
