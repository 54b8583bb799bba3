//! A resource server from the `security` section of the configuration.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_token::{Algorithm, Algorithms, Scope, VerifyPolicy};
use hallpass_upstream::{Discover, HttpTransport};
use http::Method;

use super::{ResourceServer, ResourceServerBuilder};
use crate::error::StartProblem;
use crate::key_source::{KeyLimits, KeySource};
use crate::policy::{RouteRule, Rule, RuleOrigin};
use crate::settings::{
    IdentityHeaders, InternalJwtSettings, JwksLocation, RouteAccess, RouteSettings,
    SecuritySettings, TrustedIssuerSettings,
};
use crate::verifier::TrustedIssuer;

/// What key sources and the server need of their surroundings.
struct Surroundings {
    transport: HttpTransport,
    discover: Arc<dyn Discover>,
    clock: Arc<dyn Clock>,
}

impl ResourceServer {
    /// Starts from the configuration; routes may be added in code before [`ResourceServerBuilder::build`].
    ///
    /// `service_name` is the realm of the challenges; `discover` finds `lb://` key addresses.
    pub fn from_settings(
        security: &SecuritySettings,
        service_name: &str,
        transport: HttpTransport,
        discover: Arc<dyn Discover>,
        clock: Arc<dyn Clock>,
    ) -> ResourceServerBuilder {
        let jwt = &security.internal_jwt;
        let surroundings = Surroundings {
            transport,
            discover,
            clock: Arc::clone(&clock),
        };
        let mut builder = Self::builder(service_name, clock)
            .mode(jwt.mode)
            .dangerous_permit_all(security.permit_all)
            .production_signal(security.production_signal.clone())
            .write_identity_headers(jwt.identity_headers == IdentityHeaders::Set);
        builder.resource.clone_from(&jwt.resource);
        for (index, issuer) in jwt.issuers.iter().enumerate() {
            builder.add_issuer(index, issuer, jwt, &surroundings);
        }
        for (index, route) in jwt.routes.iter().enumerate() {
            builder.add_route(index, route);
        }
        let key = "security.internal-jwt.internal-only.scope";
        if let Some(scope) = builder.read::<Scope>(key, &jwt.internal_only.scope) {
            for path in &jwt.internal_only.paths {
                let rule = Rule::InternalOnly(scope.clone());
                builder.add_parsed(RuleOrigin::InternalOnlyPaths, path, |pattern| {
                    RouteRule::new(pattern, rule)
                });
            }
        }
        builder
    }
}

impl ResourceServerBuilder {
    fn add_issuer(
        &mut self,
        index: usize,
        issuer: &TrustedIssuerSettings,
        jwt: &InternalJwtSettings,
        surroundings: &Surroundings,
    ) {
        let key = |name: &str| format!("security.internal-jwt.issuers[{index}].{name}");
        let names = (
            self.read(&key("issuer"), &issuer.issuer),
            self.read(&key("audience"), &issuer.audience),
        );
        let (Some(iss), Some(audience)) = names else {
            return;
        };
        let algorithms: Vec<Option<Algorithm>> = issuer
            .algorithms
            .iter()
            .map(|name| self.read(&key("algorithms"), name.as_str()))
            .collect();
        let algorithms: Algorithms = algorithms.into_iter().flatten().collect();
        let mut policy = VerifyPolicy::new(iss, audience)
            .with_leeway(jwt.leeway)
            .with_algorithms(algorithms);
        if issuer.dangerous_accept_untyped {
            tracing::warn!(
                issuer = issuer.name,
                "tokens of any or no type are accepted from this issuer"
            );
            policy = policy.dangerous_accept_untyped();
        }
        let limits = KeyLimits {
            cooldown: jwt.jwks_cooldown,
            ..KeyLimits::default()
        };
        let clock = Arc::clone(&surroundings.clock);
        let keys = match &issuer.jwks {
            JwksLocation::File(path) => KeySource::file(path.clone(), clock, limits),
            JwksLocation::Url(url) => {
                let (transport, discover) = (
                    surroundings.transport.clone(),
                    Arc::clone(&surroundings.discover),
                );
                KeySource::http(url.clone(), transport, discover, clock, limits)
            }
        };
        let trusted = TrustedIssuer::with_policy(policy, keys).named(&issuer.name);
        self.issuers.push(if issuer.internal {
            trusted.internal()
        } else {
            trusted
        });
    }

    fn add_route(&mut self, index: usize, route: &RouteSettings) {
        let key = |name: &str| format!("security.internal-jwt.routes[{index}].{name}");
        let rule = match &route.access {
            RouteAccess::Anonymous => Some(Rule::Anonymous),
            RouteAccess::Authenticated => Some(Rule::Authenticated),
            RouteAccess::InternalOnly { scope } => {
                self.read(&key("scope"), scope).map(Rule::InternalOnly)
            }
            RouteAccess::Scopes { all, any } => {
                let (all, any) = (
                    self.read(&key("all"), &all.join(" ")),
                    self.read(&key("any"), &any.join(" ")),
                );
                all.zip(any).map(|(all, any)| Rule::Scopes { all, any })
            }
        };
        let methods: Vec<Option<Method>> = route
            .methods
            .iter()
            .map(|method| self.read(&key("methods"), method))
            .collect();
        let Some(rule) = rule.filter(|_| methods.iter().all(Option::is_some)) else {
            return;
        };
        self.add_parsed(RuleOrigin::Configuration, &route.path, |pattern| {
            let rule = RouteRule::new(pattern, rule).methods(methods.into_iter().flatten());
            match route.mode {
                Some(mode) => rule.mode(mode),
                None => rule,
            }
        });
    }

    /// Reads a text into its type; what does not fit becomes a problem under its key.
    fn read<T: FromStr<Err: Display>>(&mut self, key: &str, text: &str) -> Option<T> {
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.problems.push(StartProblem::BadValue {
                    key: key.to_owned(),
                    message: error.to_string(),
                });
                None
            }
        }
    }
}
