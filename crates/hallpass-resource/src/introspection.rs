//! Tokens that say nothing by themselves: their issuer is asked about them (RFC 7662), and held back from being asked too often.
//!
//! | the token | a request |
//! |---|---|
//! | was said to be good a moment ago | passes by the cache of verified tokens, until its own end and no longer than [`IntrospectionLimits::cache`] |
//! | was said to be none | is refused, for [`IntrospectionLimits::negative_cache`] |
//! | is being asked about | waits for that answer |
//! | is new | costs a question, if the budget for new ones allows it; else 503 |
//! | was good before, and must be asked about again | costs a question, whatever strangers have used up |
//!
//! While the endpoint fails, one question at a time finds out whether it is back, after waits that double; all else gets a 503 at once.
//! A question goes on in a task of its own: a caller that goes away does not cancel it for the others.

mod gate;
mod inactive;
mod limits;
mod metrics;

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hallpass_client::{Credential, TokenIntrospector};
use hallpass_clock::Clock;
use hallpass_token::says_active;
use hallpass_upstream::{Network, Reminders};
use tokio::runtime::Handle;

use self::gate::{Begun, Gate, Outcome};
pub use self::limits::{AskedTokens, IntrospectionLimits};
pub use self::metrics::IntrospectionMetrics;
use self::metrics::IssuerIntrospectionMetrics;
use crate::error::IntrospectionFailure;
use crate::token_digest::TokenDigest;

/// The introspection endpoint of an issuer, and what is known of its tokens. Cheap to clone; clones share it.
///
/// ```
/// use std::sync::Arc;
/// use hallpass_client::Credential;
/// use hallpass_config::Secret;
/// use hallpass_resource::{Introspection, IntrospectionLimits, TrustedIssuer};
/// use hallpass_token::VerifyPolicy;
/// use hallpass_upstream::{Network, StaticDiscovery};
///
/// let network = Network::system(Arc::new(StaticDiscovery::new()))?;
/// let endpoint = "https://auth.example/oauth2/introspect".parse()?;
/// let credential = Credential::new("order-service".parse()?, Secret::from("secret"), endpoint);
/// let introspection = Introspection::new(credential, &network, IntrospectionLimits::default());
/// let policy = VerifyPolicy::new("https://auth.example".parse()?, "order-service".parse()?);
/// let issuer = TrustedIssuer::introspected(policy, introspection, network.clock.clone());
/// # let _ = issuer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Introspection {
    shared: Arc<Shared>,
    tokens: AskedTokens,
}

#[derive(Debug)]
struct Shared {
    introspector: TokenIntrospector,
    limits: IntrospectionLimits,
    clock: Arc<dyn Clock>,
    /// Locked for moments, never across a wait.
    gate: Mutex<Gate>,
    metrics: OnceLock<IssuerIntrospectionMetrics>,
    said: Reminders,
}

impl Introspection {
    /// Asks at the endpoint of `credential`, as that client. Nothing is asked before the first token.
    #[must_use]
    pub fn new(credential: Credential, network: &Network, limits: IntrospectionLimits) -> Self {
        let introspector = TokenIntrospector::new(credential, network, limits.timeout);
        let gate = Mutex::new(Gate::new(limits));
        Self {
            shared: Arc::new(Shared {
                introspector,
                limits,
                clock: Arc::clone(&network.clock),
                gate,
                metrics: OnceLock::new(),
                said: Reminders::default(),
            }),
            tokens: AskedTokens::default(),
        }
    }

    /// Which tokens are asked about; default [`AskedTokens::Opaque`].
    #[must_use]
    pub fn about(mut self, tokens: AskedTokens) -> Self {
        self.tokens = tokens;
        self
    }

    pub(crate) const fn tokens(&self) -> AskedTokens {
        self.tokens
    }

    /// Counts from now on what is asked here. The first call counts; later ones do nothing.
    pub(crate) fn attach(&self, metrics: IssuerIntrospectionMetrics) {
        let _ = self.shared.metrics.set(metrics);
    }

    /// Until when (by the monotonic clock) what is said now is believed.
    pub(crate) fn believed_until(&self) -> Duration {
        let now = self.shared.clock.monotonic();
        now.saturating_add(self.shared.limits.cache)
    }

    /// What the issuer says of a token. `was_good`: it said that it is good before, so this question is not a stranger's.
    ///
    /// # Errors
    /// [`IntrospectionFailure`]: nobody knows whether it is good.
    pub(crate) async fn ask(&self, token: &str, was_good: bool) -> Outcome {
        let digest = TokenDigest::of(token);
        let now = self.shared.clock.monotonic();
        let begun = self.shared.gate().begin(digest, was_good, now);
        let mut outcome = match begun {
            Begun::Inactive => {
                self.shared.count("inactive_cached");
                return Ok(None);
            }
            Begun::Refused(failure) => {
                self.shared.count(failure.code());
                return Err(failure);
            }
            Begun::Join(outcome) => outcome,
            Begun::Start(sender, outcome) => {
                let Ok(runtime) = Handle::try_current() else {
                    self.shared.gate().give_up(&digest);
                    return Err(IntrospectionFailure::Cancelled);
                };
                let (shared, token) = (Arc::clone(&self.shared), token.to_owned());
                runtime.spawn(async move {
                    let outcome = shared.ask(&token).await;
                    let now = shared.clock.monotonic();
                    shared.gate().finish(digest, &outcome, now);
                    let _ = sender.send(Some(outcome));
                });
                outcome
            }
        };
        let said = outcome.wait_for(Option::is_some).await;
        let said = said.map(|it| it.clone());
        said.ok()
            .flatten()
            .unwrap_or(Err(IntrospectionFailure::Cancelled))
    }
}

impl Shared {
    async fn ask(&self, token: &str) -> Outcome {
        let started = self.clock.monotonic();
        let asked = self.introspector.ask(token).await;
        let outcome = match asked {
            Ok(said) => match says_active(&said) {
                Some(true) => Ok(Some(said)),
                Some(false) => Ok(None),
                None => Err(IntrospectionFailure::NotAResponse),
            },
            Err(error) => Err(error.into()),
        };
        let took = self.clock.monotonic().saturating_sub(started);
        if let Some(metrics) = self.metrics.get() {
            metrics.took(took);
        }
        match &outcome {
            Ok(said) => {
                self.count(said.as_ref().map_or("inactive", |_| "active"));
                self.said.over();
            }
            Err(error) => {
                self.count(error.code());
                if let Some(times) = self.said.times(error.code()) {
                    tracing::warn!(code = error.code(), %error, times, "an issuer could not be asked about a token: what it is is not known");
                }
            }
        }
        outcome
    }

    fn count(&self, result: &'static str) {
        if let Some(metrics) = self.metrics.get() {
            metrics.count(result);
        }
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
