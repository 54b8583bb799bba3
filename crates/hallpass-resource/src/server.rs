//! The resource server: holds what calls are judged by, and replaces it as a whole.

mod builder;
mod group;
mod setup;

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use http::request::Parts;

use self::setup::Setup;
use crate::error::{Denial, SetupError};
use crate::judge::Judge;
use crate::metrics::ResourceMetrics;
use crate::policy::{Explanation, RuleLine};
use crate::settings::SecuritySettings;
use crate::verifier::Verified;

pub use builder::ResourceServerBuilder;
pub use group::ResourceServers;

/// Verifies callers and decides per route. Cheap to clone; clones share keys, cache and metrics, and follow
/// [`apply`](Self::apply) together.
///
/// ```
/// use hallpass_clock::SystemClock;
/// use hallpass_resource::{ResourceServer, Rule};
///
/// let server = ResourceServer::builder("order-service", std::sync::Arc::new(SystemClock::new()))
///     .route_any("/health", Rule::Anonymous)
///     .build()?;
/// let app: axum::Router = axum::Router::new()
///     .route("/health", axum::routing::get(async || "up"))
///     // Of all other paths it answers 401: no rule opens them.
///     .layer(server.layer());
/// # let _ = app;
/// # Ok::<(), hallpass_resource::SetupError>(())
/// ```
///
/// The example of this crate has issuers and rules that demand an identity.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Replaced as a whole.
    judge: ArcSwap<Judge>,
    /// Locked while the next judge is made, so that of two changes at once neither is lost. Calls do not touch it.
    setup: Mutex<Setup>,
    metrics: ResourceMetrics,
}

impl ResourceServer {
    /// Takes other settings while calls are judged: rules of the configuration, modes, internal-only paths, trusted
    /// issuers, identity headers, the address of the resource, the longest token, encoded characters, permit-all. Every clone and every layer follows.
    ///
    /// A call that has begun goes on with what it began with. What was set in code stays as it is. An issuer whose
    /// entry did not change keeps its keys and its verified tokens; one with another cool-down or leeway keeps its
    /// keys. The list of rules is logged again if it changed. The same settings again do nothing.
    ///
    /// **Not changed**: the name of the service, the size of the cache, and what the settings say of other
    /// services. No key is fetched here: the first token of a new issuer waits for its keys.
    ///
    /// # Errors
    /// [`SetupError`] with all problems, as [`ResourceServerBuilder::build`]. Then nothing has changed.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use hallpass_clock::SystemClock;
    /// # use hallpass_resource::{KeySource, Mode, ResourceServer, Rule, SecuritySettings, TrustedIssuer};
    /// # use hallpass_token::JwkSet;
    /// # let clock = Arc::new(SystemClock::new());
    /// # let keys = KeySource::fixed(JwkSet::new([]), clock.clone());
    /// # let issuer = TrustedIssuer::new("internal".parse()?, "order-service".parse()?, keys);
    /// let server = ResourceServer::builder("order-service", clock)
    ///     .issuer(issuer)
    ///     .route_any("/orders/**", Rule::Authenticated)
    ///     .build()?;
    /// // A step back in a roll-out, while calls are judged.
    /// let mut settings = SecuritySettings::default();
    /// settings.internal_jwt.mode = Mode::Report;
    /// server.apply(&settings)?;
    /// assert!(server.rules().iter().all(|rule| rule.mode == Mode::Report));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn apply(&self, settings: &SecuritySettings) -> Result<(), SetupError> {
        let mut setup = self.setup();
        if setup.is_applied(settings) {
            return Ok(());
        }
        let next = setup.prepare(settings)?;
        let judge = setup.take(next);
        let previous = self.shared.judge.swap(Arc::clone(&judge));
        judge.announce(Some(&previous));
        // After the swap, so that nothing that is remembered later stands for an issuer of before for long.
        judge.verifier.keep_only(&judge.issuers);
        for gone in previous.issuers.iter() {
            if !judge.issuers.contains_name(&gone.name) {
                self.shared.metrics.keys.forget(&gone.name);
                self.shared.metrics.revocations.forget(&gone.name);
            }
        }
        Ok(())
    }

    /// Whether [`apply`](Self::apply) would take these settings. Changes nothing.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    pub fn check(&self, settings: &SecuritySettings) -> Result<(), SetupError> {
        self.setup().prepare(settings).map(drop)
    }

    /// Every rule with its origin and mode, for printing at start. A path that is in none of them is closed.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleLine> {
        self.judge().policy.lines()
    }

    /// A short name for the rules and modes in effect: that of `policy` in audit events, and of `version` in the log. The same
    /// wherever the same rules and modes are in effect, whatever their order; another after a change of any.
    #[must_use]
    pub fn policy_version(&self) -> String {
        self.judge().policy.version().to_string()
    }

    /// Says what would become of a request and why: the rules that it falls under, what each says, and why others are not
    /// asked. For tests of a service's own rules, and for people; nothing is counted.
    ///
    /// A token that is sent is verified, with a key fetch if one is due; a proof of possession (DPoP) is used up.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use hallpass_clock::SystemClock;
    /// # use hallpass_resource::{ResourceServer, Rule};
    /// let clock = std::sync::Arc::new(SystemClock::new());
    /// let server = ResourceServer::builder("shop", clock).route_any("/health", Rule::Anonymous).build()?;
    /// let (parts, ()) = http::Request::get("/orders").body(())?.into_parts();
    /// let explanation = server.explain(&parts).await;
    /// assert!(!explanation.passes() && explanation.decisions.is_empty(), "no rule is for this path");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn explain(&self, parts: &Parts) -> Explanation {
        self.judge().explain(parts).await
    }

    /// Verifies a token (without the scheme) as the layer does, with a key fetch if one is due: for what is not an
    /// HTTP service (a queue consumer, a command line tool).
    ///
    /// **Not checked**: what the caller may do (that is the route's rule).
    ///
    /// # Errors
    /// [`Denial::Token`], [`Denial::SenderConstrained`], [`Denial::Revoked`], or [`Denial::Unavailable`] when the issuer's keys are not
    /// available.
    pub async fn verify(&self, token: &str) -> Result<Verified, Denial> {
        self.judge().verify(token).await
    }

    /// Fetches the keys of all issuers now, instead of at the first request: for a readiness check.
    ///
    /// # Errors
    /// [`Denial::Unavailable`] for the first issuer whose keys are not available. The others were asked too.
    pub async fn load_keys(&self) -> Result<(), Denial> {
        self.judge().load_keys().await
    }

    /// What this server counts, for a registry.
    #[must_use]
    pub fn metrics(&self) -> &ResourceMetrics {
        &self.shared.metrics
    }

    /// What a call that begins now is judged by, to its end.
    pub(crate) fn judge(&self) -> Arc<Judge> {
        self.shared.judge.load_full()
    }

    fn setup(&self) -> std::sync::MutexGuard<'_, Setup> {
        // What a panic could leave behind is the last state that was taken as a whole.
        self.shared
            .setup
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
