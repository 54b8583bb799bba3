//! Whose identity each method carries, decided once, and the layers that carry it.

use std::sync::Arc;
use std::time::Duration;

use hallpass_client::{AuthTokenService, BearerLayer, HostGuardLayer, RenewOn, ReplayLayer};
use hallpass_clock::Clock;
use hallpass_token::{Audience, Scope};

use crate::build_error::BuildError;
use crate::spec::{ClientSpec, MethodSpec};

use hallpass_client::{Identity, WhenAbsent};

/// Whose identity a method carries, and of which token.
#[derive(Debug, PartialEq)]
pub(crate) struct IdentityPlan {
    identity: Identity,
    when_absent: WhenAbsent,
    /// By which credential a service token is asked for, where not by its audience.
    credential: Option<String>,
    audience: Audience,
    scope: Scope,
    is_ours: bool,
}

/// The tokens that a client does not carry, whatever it asks for (`internal-token.feign`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SkippedTokens {
    /// None: it carries what it asks for.
    None,
    /// Tokens of this service (`enabled: false`). Callers are relayed all the same.
    ServiceToken,
    /// Every token (`skip-clients`): the client is a third party, which must not get a user's token either.
    All,
}

/// What the builder, or the configuration, says about the identity of all methods of a client.
#[derive(Debug, Default)]
pub(crate) struct IdentityOverrides {
    pub(crate) identity: Option<Identity>,
    /// Whom a service token is for.
    pub(crate) audience: Option<String>,
    pub(crate) when_absent: Option<WhenAbsent>,
    /// By which credential a service token is asked for.
    pub(crate) credential: Option<String>,
    /// Whom the tokens of that credential are for, where nobody says otherwise.
    pub(crate) credential_audience: Option<Audience>,
}

impl IdentityPlan {
    /// Decides for one method. `overrides` are the builder's, `configured` the configuration's.
    ///
    /// A token is made for the service that is called, so the audience is the service's name unless the client's own
    /// configuration or the attribute says otherwise. The default audience of the token service is not used: a token
    /// for one service would reach another.
    pub(crate) fn decide(
        spec: &ClientSpec,
        method: &MethodSpec,
        overrides: &IdentityOverrides,
        configured: &IdentityOverrides,
        skipped: SkippedTokens,
    ) -> Result<Self, BuildError> {
        let client = spec.name;
        let (own, shared) = (&method.shared, &spec.shared);
        // The configuration goes over the method too: an operator who sets `identity: none` for a client relies on it
        // that no method sends a token.
        let identity = overrides
            .identity
            .or(configured.identity)
            .or(own.identity)
            .or(shared.identity);
        let when_absent = overrides
            .when_absent
            .or(configured.when_absent)
            .or(own.when_absent)
            .or(shared.when_absent);
        let audience = overrides
            .audience
            .as_deref()
            .or(configured.audience.as_deref())
            .or(own.audience)
            .or(shared.audience)
            .or(configured
                .credential_audience
                .as_ref()
                .map(Audience::as_str))
            .unwrap_or(client);
        let scope = own.scope.or(shared.scope).unwrap_or_default();
        let identity = identity.unwrap_or(Identity::Service);
        let plan = Self {
            identity,
            is_ours: identity != Identity::None && skipped != SkippedTokens::All,
            when_absent: when_absent.unwrap_or(WhenAbsent::Fail),
            credential: configured.credential.clone(),
            audience: audience
                .parse()
                .map_err(|_| BuildError::Audience { client })?,
            scope: scope.parse().map_err(|_| BuildError::Scope { client })?,
        };
        Ok(match skipped {
            SkippedTokens::None => plan,
            SkippedTokens::ServiceToken => plan.without_service_token(),
            SkippedTokens::All => Self {
                identity: Identity::None,
                ..plan
            },
        })
    }

    fn without_service_token(mut self) -> Self {
        if self.identity == Identity::Service {
            self.identity = Identity::None;
        }
        if self.when_absent == WhenAbsent::Service {
            self.when_absent = WhenAbsent::None;
        }
        self
    }

    /// Whether the callee is a service of this estate: it is none where code or configuration say `identity: none`, or `skip-clients` names
    /// it. That no service token is sent for now (`internal-token.feign.enabled: false`) makes a third party of nobody.
    pub(crate) const fn is_for_ours(&self) -> bool {
        self.is_ours
    }

    /// Whether it takes the token service: for a service token, or to exchange the caller's.
    fn needs_token_service(&self) -> bool {
        let may_lack_caller = matches!(self.identity, Identity::Relay | Identity::Exchange);
        matches!(self.identity, Identity::Service | Identity::Exchange)
            || (may_lack_caller && self.when_absent == WhenAbsent::Service)
    }
}

/// The layers that give a request its identity and see that it arrives where it should.
#[derive(Clone, Debug)]
pub(crate) struct IdentityLayers {
    /// Only where a service token may be sent: other tokens are not ours to renew.
    pub(crate) replay: Option<ReplayLayer>,
    pub(crate) bearer: BearerLayer,
    pub(crate) host_guard: HostGuardLayer,
}

impl IdentityLayers {
    /// `reports`: whether each response says whose identity the request carried.
    pub(crate) fn new(
        plan: &IdentityPlan,
        service: &Arc<str>,
        tokens: Option<&AuthTokenService>,
        clock: &Arc<dyn Clock>,
        reports: bool,
    ) -> Self {
        let handle =
            tokens
                .filter(|_| plan.needs_token_service())
                .map(|tokens| match &plan.credential {
                    Some(credential) => tokens.handle_as(credential, &plan.audience, &plan.scope),
                    None => tokens.handle(&plan.audience, &plan.scope),
                });
        let mut bearer = BearerLayer::new(service, plan.identity, Arc::clone(clock))
            .when_absent(plan.when_absent)
            .reports(reports);
        let mut host_guard = HostGuardLayer::new(Arc::clone(service));
        if let Some(tokens) = tokens {
            bearer = bearer.metrics(tokens.metrics());
            host_guard = host_guard.metrics(tokens.metrics());
        }
        if let Some(handle) = handle.clone() {
            bearer = bearer.tokens(handle);
        }
        Self {
            replay: handle.map(ReplayLayer::new),
            bearer,
            host_guard,
        }
    }
}

impl IdentityLayers {
    /// Which 401 has the service token renewed.
    pub(crate) fn renewing_on(mut self, renew_on: RenewOn) -> Self {
        self.replay = self.replay.map(|replay| replay.renew_on(renew_on));
        self
    }

    /// For how long after its end a caller's token is still relayed; as long as it is accepted when this is nothing.
    pub(crate) fn relaying_within(mut self, leeway: Option<Duration>) -> Self {
        if let Some(leeway) = leeway {
            self.bearer = self.bearer.leeway(leeway);
        }
        self
    }
}

#[cfg(test)]
mod tests;
