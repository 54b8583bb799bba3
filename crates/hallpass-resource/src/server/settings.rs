//! A resource server from the `security` section of the configuration.

use std::sync::Arc;

use hallpass_clock::Clock;
use hallpass_token::VerifyPolicy;
use hallpass_upstream::{Discover, HttpTransport};

use super::{ResourceServer, ResourceServerBuilder};
use crate::key_source::{KeyLimits, KeySource};
use crate::policy::{RouteRule, Rule, RuleOrigin};
use crate::settings::{
    IdentityHeaders, InternalJwtSettings, JwksLocation, SecuritySettings, TrustedIssuerSettings,
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
        for issuer in &jwt.issuers {
            builder.add_issuer(issuer, jwt, &surroundings);
        }
        let configured = jwt.routes.iter().cloned();
        builder
            .rules
            .extend(configured.map(|route| (RuleOrigin::Configuration, route)));
        let internal_only = &jwt.internal_only;
        let paths = internal_only.paths.iter().cloned();
        builder.rules.extend(paths.map(|pattern| {
            let rule = Rule::InternalOnly(internal_only.scope.clone());
            (RuleOrigin::InternalOnlyPaths, RouteRule::new(pattern, rule))
        }));
        builder
    }
}

impl ResourceServerBuilder {
    fn add_issuer(
        &mut self,
        issuer: &TrustedIssuerSettings,
        jwt: &InternalJwtSettings,
        surroundings: &Surroundings,
    ) {
        let mut policy = VerifyPolicy::new(issuer.issuer.clone(), issuer.audience.clone())
            .with_leeway(jwt.leeway)
            .with_algorithms(issuer.algorithms);
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
}
