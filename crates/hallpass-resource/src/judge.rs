//! What calls are judged by at one moment, and how: once per request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_token::SecurityContext;
use http::Response;
use http::request::Parts;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use tokio::time::timeout;

use crate::audit::Decision;
use crate::bearer::bearer_token;
use crate::challenge::Challenger;
use crate::error::{Denial, KeysError};
use crate::identity_headers::HeaderMetrics;
use crate::metadata::Metadata;
use crate::path::NormalPath;
use crate::policy::{Mode, Policy};
use crate::trusted_issuer::Issuers;
use crate::verifier::{Verified, Verifier};

/// Longest time that a call waits for its verification where it passes in any case (`report`, `permit-all`).
const MAX_REPORT_WAIT: Duration = Duration::from_millis(500);

/// Everything that a call is judged by. Never changes: a change of settings makes a new one, and a call goes on with
/// the one that it began with, so that its rules and its issuers always belong together.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) policy: Policy,
    pub(crate) issuers: Issuers,
    pub(crate) challenger: Challenger,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) permit_all: bool,
    pub(crate) writes_identity_headers: bool,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) decisions: DecisionMetrics,
    pub(crate) headers: HeaderMetrics,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The handler runs, with the verified identity if there is one.
    Pass(Option<SecurityContext>),
    /// The handler does not run.
    Respond(Response<Bytes>),
}

/// How the verdict was reached, in the words of metrics and audit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Allow,
    Deny,
    WouldDeny,
    Bypass,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::WouldDeny => "would_deny",
            Self::Bypass => "bypass",
        }
    }
}

impl Judge {
    /// Says what is open and what is not, as far as it is not as before.
    pub(crate) fn announce(&self, previous: Option<&Self>) {
        let rules = self.policy.lines();
        if previous.is_none_or(|it| it.policy.lines() != rules) {
            for rule in rules {
                tracing::info!(%rule, "route rule");
            }
        }
        for trust in self.issuers.iter() {
            let is_new = previous.is_none_or(|it| !it.issuers.contains(trust));
            if is_new && trust.policy.accepts_untyped() {
                tracing::warn!(
                    issuer = &*trust.name,
                    "tokens of any or no type are accepted from this issuer"
                );
            }
        }
        self.decisions.dev_bypass.set(i64::from(self.permit_all));
        if self.permit_all && previous.is_none_or(|it| !it.permit_all) {
            tracing::warn!(
                "SECURITY IS OFF: security.permit-all lets every call pass. This is for development only; \
                 hallpass_dev_bypass_enabled is 1 as long as it is on"
            );
        }
    }

    /// Decides about a request. Only a verified identity ever leaves this function.
    pub(crate) async fn judge(&self, parts: &Parts) -> Verdict {
        let path = parts.uri.path();
        if let Some(response) = self
            .metadata
            .as_ref()
            .and_then(|it| it.response(&parts.method, path))
        {
            return Verdict::Respond(response);
        }
        let access =
            NormalPath::parse(path).and_then(|path| self.policy.resolve(&parts.method, &path));
        let (mode, route) = match &access {
            Ok(access) => (access.mode(), access.label()),
            Err(_) => (self.policy.mode(), self.policy.no_rule()),
        };
        let enforced = mode == Mode::Enforce && !self.permit_all;
        if mode == Mode::Off && !self.permit_all {
            self.decisions
                .count(Outcome::Bypass.as_str(), "none", mode.name(), route);
            return Verdict::Pass(None);
        }
        let (caller, judgement) = match access {
            // An ambiguous path costs no signature check when it is refused anyway.
            Err(fault) if enforced => (None, Err(fault.into())),
            Err(fault) => (
                self.identify(parts, enforced).await.unwrap_or_default(),
                Err(fault.into()),
            ),
            Ok(ref access) => match self.identify(parts, enforced).await {
                Err(denial) => (None, Err(denial)),
                Ok(caller) => {
                    let judgement = access.decide(caller.as_ref());
                    (caller, judgement)
                }
            },
        };
        let outcome = match &judgement {
            _ if self.permit_all => Outcome::Bypass,
            Ok(()) => Outcome::Allow,
            Err(_) if enforced => Outcome::Deny,
            Err(_) => Outcome::WouldDeny,
        };
        let denial = judgement.err();
        let reason = denial.as_ref().map_or("none", Denial::reason);
        self.decisions
            .count(outcome.as_str(), reason, mode.name(), route);
        Decision {
            result: outcome.as_str(),
            denial: denial.as_ref(),
            mode: mode.name(),
            route,
            method: &parts.method,
            caller: caller.as_ref(),
            headers: &parts.headers,
        }
        .record();
        match denial {
            Some(denial) if outcome == Outcome::Deny => {
                Verdict::Respond(self.challenger.response(&denial))
            }
            _ => Verdict::Pass(caller.map(|it| it.context().clone())),
        }
    }

    /// The verified caller, or none when there are no bearer credentials. Bad ones are an error, never "none".
    ///
    /// Where nothing is enforced, an issuer that hangs must not hold the call up: it passes anyway.
    async fn identify(&self, parts: &Parts, enforced: bool) -> Result<Option<Verified>, Denial> {
        if enforced {
            return self.verify_bearer(parts).await;
        }
        let limit = MAX_REPORT_WAIT;
        let too_late = || Err(Denial::Unavailable(KeysError::Timeout { limit }));
        timeout(limit, self.verify_bearer(parts))
            .await
            .unwrap_or_else(|_| too_late())
    }

    async fn verify_bearer(&self, parts: &Parts) -> Result<Option<Verified>, Denial> {
        match bearer_token(&parts.headers, self.verifier.max_token_bytes())? {
            None => Ok(None),
            Some(token) => self.verify(token).await.map(Some),
        }
    }

    /// Verifies a token without its scheme.
    pub(crate) async fn verify(&self, token: &str) -> Result<Verified, Denial> {
        self.verifier.verify(token, &self.issuers).await
    }

    /// Fetches the keys of all issuers.
    pub(crate) async fn load_keys(&self) -> Result<(), Denial> {
        let mut outcome = Ok(());
        for trust in self.issuers.iter() {
            let loaded = trust.keys.load().await;
            outcome = outcome.and(loaded.map(drop).map_err(Denial::Unavailable));
        }
        outcome
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DecisionLabels {
    result: &'static str,
    reason: &'static str,
    mode: &'static str,
    route: Arc<str>,
}

/// What was decided, and whether the decision counts. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct DecisionMetrics {
    decisions: Family<DecisionLabels, Counter>,
    dev_bypass: Gauge,
}

impl DecisionMetrics {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let it = self.clone();
        registry.register(
            "hallpass_verify",
            "Decisions about incoming calls",
            it.decisions,
        );
        registry.register(
            "hallpass_dev_bypass_enabled",
            "1 while permit-all is on",
            it.dev_bypass,
        );
    }

    fn count(
        &self,
        result: &'static str,
        reason: &'static str,
        mode: &'static str,
        route: &Arc<str>,
    ) {
        let labels = DecisionLabels {
            result,
            reason,
            mode,
            route: Arc::clone(route),
        };
        self.decisions.get_or_create(&labels).inc();
    }
}
