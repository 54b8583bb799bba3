//! How a resource server is put together.

use std::sync::Arc;

use hallpass_clock::Clock;
use http::Method;
use url::Url;

use super::{Core, ResourceServer};
use crate::challenge::{Challenger, fits_in_quotes};
use crate::error::{StartError, StartProblem};
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::policy::{Mode, Policy, RouteRule, Rule, RuleOrigin};
use crate::verifier::{TrustedIssuer, Verifier, VerifierLimits};

/// Collects what a [`ResourceServer`] needs; every problem is reported by [`build`](Self::build), all at once.
#[derive(Debug)]
#[must_use = "a builder does nothing until it is built"]
pub struct ResourceServerBuilder {
    pub(super) realm: String,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) issuers: Vec<TrustedIssuer>,
    pub(super) rules: Vec<(RuleOrigin, RouteRule)>,
    pub(super) mode: Mode,
    pub(super) limits: VerifierLimits,
    pub(super) permit_all: bool,
    pub(super) production_signal: Option<String>,
    pub(super) writes_identity_headers: bool,
    pub(super) resource: Option<Url>,
    pub(super) problems: Vec<StartProblem>,
}

impl ResourceServer {
    /// Starts from nothing: no issuer is trusted, no route is open, everything is enforced.
    ///
    /// `service_name` is the realm of the challenges.
    pub fn builder(service_name: &str, clock: Arc<dyn Clock>) -> ResourceServerBuilder {
        ResourceServerBuilder {
            realm: service_name.to_owned(),
            clock,
            issuers: Vec::new(),
            rules: Vec::new(),
            mode: Mode::Enforce,
            limits: VerifierLimits::default(),
            permit_all: false,
            production_signal: None,
            writes_identity_headers: false,
            resource: None,
            problems: Vec::new(),
        }
    }
}

impl ResourceServerBuilder {
    /// Accepts tokens of this issuer too.
    pub fn issuer(mut self, issuer: TrustedIssuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// A rule for one method and a path pattern ([`PathPattern`](crate::PathPattern)), as
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
        self.rules.push((RuleOrigin::Code, rule));
        self
    }

    /// The mode of all routes that have none of their own. Default: enforce.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Longest token that is looked at, in bytes. Default 8 KiB.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.limits.max_token_bytes = bytes;
        self
    }

    /// Bound of the cache of verified tokens, in bytes (an estimate). Default 16 MiB; 0 switches it off.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.limits.cache_bytes = bytes;
        self
    }

    /// **Dangerous.** Lets every call pass, verified or not, for development. A token that verifies still gives its
    /// identity; one that does not gives none. [`build`](Self::build) refuses it beside a
    /// [`production_signal`](Self::production_signal).
    pub fn dangerous_permit_all(mut self, permit_all: bool) -> Self {
        self.permit_all = permit_all;
        self
    }

    /// The name of what tells that this is production, if anything does.
    pub fn production_signal(mut self, signal: Option<String>) -> Self {
        self.production_signal = signal;
        self
    }

    /// Writes `X-User-Id`, `X-Username` and `X-Authorities` from the verified token, for handlers that read headers.
    /// Default off. What comes from outside under these names is removed in any case.
    pub fn write_identity_headers(mut self, write: bool) -> Self {
        self.writes_identity_headers = write;
        self
    }

    /// Serves the metadata document of RFC 9728 for this resource, openly, and names it in challenges. `resource` is
    /// the public `https` address of this service. Default: none.
    pub fn resource(mut self, resource: Url) -> Self {
        self.resource = Some(resource);
        self
    }

    /// The server, or everything that stands against it.
    ///
    /// # Errors
    /// [`StartError`] with all problems: permit-all in production, patterns that can not be read, doubled rules or
    /// issuers, rules that nobody could satisfy.
    pub fn build(mut self) -> Result<ResourceServer, StartError> {
        self.check_permit_all();
        self.check_issuers();
        if !fits_in_quotes(&self.realm) {
            let message = "must be printable ASCII without quotes and backslashes".to_owned();
            self.problems.push(StartProblem::BadValue {
                key: "service.name".to_owned(),
                message,
            });
        }
        let metrics = Metrics::new();
        metrics.dev_bypass(self.permit_all);
        let clock = Arc::clone(&self.clock);
        let verifier = Verifier::new(
            self.issuers,
            self.limits,
            clock,
            metrics.clone(),
            &mut self.problems,
        );
        let scopes = self.rules.iter().flat_map(|(_, rule)| rule.rule_scopes());
        let issuers = verifier.issuers().map(|it| it.as_str());
        let metadata = self
            .resource
            .as_ref()
            .map(|resource| Metadata::new(resource, issuers, scopes))
            .transpose();
        let metadata = metadata.unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        });
        let policy = Policy::new(self.rules, self.mode, &mut self.problems);
        if !self.problems.is_empty() {
            return Err(StartError {
                problems: self.problems,
            });
        }
        let challenger = Challenger::new(&self.realm, metadata.as_ref().map(Metadata::address));
        let core = Core {
            policy,
            verifier,
            challenger,
            metadata,
            permit_all: self.permit_all,
            writes_identity_headers: self.writes_identity_headers,
            metrics,
        };
        let server = ResourceServer {
            core: Arc::new(core),
        };
        server.announce();
        Ok(server)
    }

    fn check_permit_all(&mut self) {
        if self.permit_all
            && let Some(signal) = self.production_signal.clone()
        {
            self.problems
                .push(StartProblem::PermitAllInProduction { signal });
        }
    }

    fn check_issuers(&mut self) {
        let needed = self.rules.iter().any(|(_, rule)| rule.needs_identity());
        if self.issuers.is_empty() && needed && self.mode != Mode::Off && !self.permit_all {
            self.problems.push(StartProblem::NoIssuer);
        }
    }

    fn parsed(mut self, pattern: &str, rule: impl FnOnce(crate::PathPattern) -> RouteRule) -> Self {
        self.add_parsed(RuleOrigin::Code, pattern, rule);
        self
    }

    pub(super) fn add_parsed(
        &mut self,
        origin: RuleOrigin,
        pattern: &str,
        rule: impl FnOnce(crate::PathPattern) -> RouteRule,
    ) {
        match pattern.parse() {
            Ok(pattern) => self.rules.push((origin, rule(pattern))),
            Err(fault) => self.problems.push(StartProblem::BadPattern {
                pattern: pattern.to_owned(),
                message: fault.to_string(),
            }),
        }
    }
}

impl ResourceServer {
    /// Says at start what is open and what is not.
    fn announce(&self) {
        for rule in self.rules() {
            tracing::info!(%rule, "route rule");
        }
        if self.core.permit_all {
            tracing::warn!(
                "SECURITY IS OFF: security.permit-all lets every call pass. This is for development only; \
                 hallpass_dev_bypass_enabled is 1 as long as it is on"
            );
        }
    }
}
