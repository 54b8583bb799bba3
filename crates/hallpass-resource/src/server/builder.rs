//! How a resource server is put together.

use std::sync::{Arc, Mutex};

use arc_swap::ArcSwap;
use hallpass_clock::Clock;
use hallpass_config::Percent;
use hallpass_upstream::{Network, SharedReplays};
use http::Method;
use url::Url;

use super::group::ResourceServers;
use super::setup::{FromCode, Setup};
use super::{ResourceServer, Shared};
use crate::audit::Audit;
use crate::cache::DEFAULT_CACHE_BYTES;
use crate::challenge::fits_in_quotes;
use crate::dpop::ProofMemory;
use crate::error::{SetupError, SetupProblem};
use crate::metrics::ResourceMetrics;
use crate::policy::{Mode, PathPattern, RouteRule, Rule};
use crate::settings::SecuritySettings;
use crate::settings::dpop::NonceSecret;
use crate::trusted_issuer::{Trust, TrustedIssuer};
use crate::verifier::Verifier;

/// Collects what a [`ResourceServer`] needs; every problem is reported by [`build`](Self::build), all at once.
///
/// What is set here goes before the settings, and stays when [`ResourceServer::apply`] takes other settings. Rules and
/// issuers add to theirs.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ResourceServerBuilder {
    realm: String,
    clock: Arc<dyn Clock>,
    network: Option<Network>,
    settings: SecuritySettings,
    issuers: Vec<TrustedIssuer>,
    rules: Vec<RouteRule>,
    mode: Option<Mode>,
    enforced: Option<Percent>,
    max_token_bytes: Option<usize>,
    cache_bytes: u64,
    permit_all: Option<bool>,
    production_signal: Option<String>,
    writes_identity_headers: Option<bool>,
    resource: Option<Url>,
    problems: Vec<SetupProblem>,
    group: Option<ResourceServers>,
}

impl ResourceServer {
    /// Starts from the `security` section of the configuration; rules may be added in code before
    /// [`ResourceServerBuilder::build`].
    ///
    /// `service_name` is the realm of the challenges; `network` is the way to the keys.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use axum::{Router, routing::get};
    /// use hallpass_config::Loader;
    /// use hallpass_resource::{Caller, ResourceServer, Rule, SecuritySettings};
    /// use hallpass_upstream::{Network, StaticDiscovery};
    /// use http::Method;
    ///
    /// let settings: SecuritySettings = Loader::new("hallpass")
    ///     .text("example", r#"
    /// hallpass:
    ///   security:
    ///     internal-jwt: { audience: order-service, jwks-url: "https://auth.example/oauth2/jwks" }
    /// "#)
    ///     .load()?
    ///     .into_settings();
    /// let network = Network::system(Arc::new(StaticDiscovery::new()))?;
    /// let server = ResourceServer::from_settings(&settings, "order-service", &network)
    ///     .route(Method::GET, "/whoami", Rule::Authenticated)
    ///     .build()?;
    /// let whoami = get(async |caller: Caller| caller.subject().to_string());
    /// let app: Router = Router::new().route("/whoami", whoami).layer(server.layer());
    /// # let _ = app;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn from_settings(
        security: &SecuritySettings,
        service_name: &str,
        network: &Network,
    ) -> ResourceServerBuilder {
        ResourceServerBuilder {
            network: Some(network.clone()),
            settings: security.clone(),
            ..Self::builder(service_name, Arc::clone(&network.clock))
        }
    }

    /// Starts from nothing: no issuer is trusted, no route is open, everything is enforced.
    ///
    /// `service_name` is the realm of the challenges. [`ResourceServer::apply`] then takes no issuer whose keys are at
    /// a URL, as there is no way to them.
    pub fn builder(service_name: &str, clock: Arc<dyn Clock>) -> ResourceServerBuilder {
        ResourceServerBuilder {
            realm: service_name.to_owned(),
            clock,
            network: None,
            settings: SecuritySettings::default(),
            issuers: Vec::new(),
            rules: Vec::new(),
            mode: None,
            enforced: None,
            max_token_bytes: None,
            cache_bytes: DEFAULT_CACHE_BYTES,
            permit_all: None,
            production_signal: None,
            writes_identity_headers: None,
            resource: None,
            problems: Vec::new(),
            group: None,
        }
    }
}

impl ResourceServerBuilder {
    /// Accepts tokens of this issuer too.
    pub fn issuer(mut self, issuer: TrustedIssuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// A rule for one method and a path pattern ([`PathPattern`]), as
    /// `.route(Method::GET, "/orders/{id}", Rule::Authenticated)`.
    pub fn route(self, method: Method, pattern: &str, rule: Rule) -> Self {
        self.parsed(pattern, |pattern| {
            RouteRule::new(pattern, rule).methods([method])
        })
    }

    /// A rule for all methods of a path pattern.
    pub fn route_any(self, pattern: &str, rule: Rule) -> Self {
        self.parsed(pattern, |pattern| RouteRule::new(pattern, rule))
    }

    /// A rule with all that can be said about it.
    pub fn rule(mut self, rule: RouteRule) -> Self {
        self.rules.push(rule);
        self
    }

    /// The mode of all routes that have none of their own. Default: that of the settings, else enforce.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = Some(mode);
        self
    }

    /// For how many of the callers [`Mode::Enforce`] of the service counts, always the same ones; the others are judged as in
    /// [`Mode::Report`]. It goes with [`mode`](Self::mode): when that is set here, the percentage of the settings means
    /// nothing. Default: that of the settings, else all.
    pub fn enforce_percent(mut self, percent: Percent) -> Self {
        self.enforced = Some(percent);
        self
    }

    /// Longest token that is looked at, in bytes. Default: that of the settings, else 8 KiB.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = Some(bytes);
        self
    }

    /// Bound of the cache of verified tokens, in bytes (an estimate). Default 16 MiB; 0 switches it off.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// **Dangerous.** Lets every call pass, verified or not, for development. A token that verifies still gives its
    /// identity; one that does not gives none. [`build`](Self::build) refuses it beside a
    /// [`production_signal`](Self::production_signal). Default: as the settings say, else off.
    pub fn dangerous_permit_all(mut self, permit_all: bool) -> Self {
        self.permit_all = Some(permit_all);
        self
    }

    /// The name of what tells that this is production, if anything does. `None` leaves it to the settings.
    pub fn production_signal(mut self, signal: Option<String>) -> Self {
        self.production_signal = signal;
        self
    }

    /// Writes `X-User-Id`, `X-Username` and `X-Authorities` from the verified token, for handlers that read headers.
    /// Default: as the settings say, else off. What comes from outside under these names is removed before, unless the
    /// settings say `dangerous-keep-identity-headers`.
    pub fn write_identity_headers(mut self, write: bool) -> Self {
        self.writes_identity_headers = Some(write);
        self
    }

    /// Serves the metadata document of RFC 9728 for this resource, openly, and names it in challenges. `resource` is
    /// the public `https` address of this service. Default: that of the settings, else none.
    pub fn resource(mut self, resource: Url) -> Self {
        self.resource = Some(resource);
        self
    }

    /// Takes settings together with the others of `group`, and counts there.
    pub fn group(mut self, group: &ResourceServers) -> Self {
        self.group = Some(group.clone());
        self
    }

    /// The server, or all problems.
    ///
    /// # Errors
    /// [`SetupError`] with all problems: permit-all in production, patterns that cannot be read, doubled rules or
    /// issuers, rules that nobody could satisfy.
    pub fn build(mut self) -> Result<ResourceServer, SetupError> {
        let Some(group) = self.group.take() else {
            return self.build_counting(ResourceMetrics::default());
        };
        group.add(|applied, metrics| {
            if let Some(settings) = applied {
                self.settings = settings.clone();
            }
            self.build_counting(metrics)
        })
    }

    fn build_counting(self, metrics: ResourceMetrics) -> Result<ResourceServer, SetupError> {
        let mut problems = self.problems;
        if !fits_in_quotes(&self.realm) {
            let message = "must be printable ASCII without quotes and backslashes".to_owned();
            problems.push(SetupProblem::BadValue {
                key: "service.name".to_owned(),
                message,
            });
        }
        let replay_store = self.network.as_ref().and_then(Network::replay_store);
        let verifier = Verifier::new(
            self.cache_bytes,
            Arc::clone(&self.clock),
            metrics.verifier.clone(),
            metrics.cache.clone(),
            ProofMemory::new(
                &self.realm,
                SharedReplays::new(replay_store, metrics.proofs.shared.clone()),
                metrics.proofs.clone(),
                Arc::clone(&self.clock),
            ),
        );
        let Some(nonce_secret) = NonceSecret::random() else {
            let message = "cannot be made: the system has no random numbers";
            return Err(lacking(problems, "dpop.nonce", message));
        };
        let Some(audit) = Audit::start(&metrics.audit) else {
            let message = "cannot be written: the system gives no thread";
            return Err(lacking(problems, "audit", message));
        };
        let trust = |issuer: TrustedIssuer| {
            issuer.keys().attach(metrics.keys.of_issuer(issuer.name()));
            if let Some(revocations) = issuer.revocations() {
                revocations.attach(metrics.revocations.of_issuer(issuer.name()));
            }
            issuer.count_questions(&metrics.introspection);
            Arc::new(Trust::new(issuer))
        };
        let code = FromCode {
            realm: self.realm,
            clock: self.clock,
            network: self.network,
            issuers: self.issuers.into_iter().map(trust).collect(),
            rules: self.rules,
            mode: self.mode,
            enforced: self.enforced,
            max_token_bytes: self.max_token_bytes,
            permit_all: self.permit_all,
            production_signal: self.production_signal,
            writes_identity_headers: self.writes_identity_headers,
            resource: self.resource,
            verifier: Arc::new(verifier),
            audit,
            nonce_secret,
            metrics: metrics.clone(),
        };
        let mut setup = Setup::new(code);
        let prepared = setup.prepare_with(&self.settings, &mut problems);
        if !problems.is_empty() {
            return Err(SetupError { problems });
        }
        let judge = setup.take(prepared);
        judge.announce(None);
        let shared = Arc::new(Shared {
            judge: ArcSwap::new(judge),
            setup: Mutex::new(setup),
            metrics,
        });
        Ok(ResourceServer { shared })
    }

    fn parsed(mut self, pattern: &str, rule: impl FnOnce(PathPattern) -> RouteRule) -> Self {
        match pattern.parse::<PathPattern>() {
            Ok(pattern) => self.rules.push(rule(pattern)),
            Err(fault) => self.problems.push(SetupProblem::BadPattern {
                pattern: pattern.to_owned(),
                message: fault.to_string(),
            }),
        }
        self
    }
}

/// What the system does not give, beside all other problems.
fn lacking(mut problems: Vec<SetupProblem>, key: &str, message: &str) -> SetupError {
    problems.push(SetupProblem::BadValue {
        key: format!("security.internal-jwt.{key}"),
        message: message.to_owned(),
    });
    SetupError { problems }
}
