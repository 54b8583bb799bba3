//! The resource server: who may call is decided here, once per request.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hallpass_token::SecurityContext;
use http::Response;
use http::request::Parts;
use prometheus_client::registry::Registry;
use tokio::time::timeout;

use crate::audit::Decision;
use crate::bearer::bearer_token;
use crate::challenge::Challenger;
use crate::error::{Denial, KeysError};
use crate::metadata::Metadata;
use crate::metrics::Metrics;
use crate::path::NormalPath;
use crate::policy::{Mode, Policy, RuleLine, mode_name};
use crate::verifier::{Verified, Verifier};

mod builder;
mod settings;

pub use builder::ResourceServerBuilder;

/// Longest time that a call waits for its verification where it passes in any case (`report`, `permit-all`).
pub const MAX_REPORT_WAIT: Duration = Duration::from_millis(500);

/// Verifies callers and decides per route. Cheap to clone; clones share keys, cache and metrics.
#[derive(Clone, Debug)]
pub struct ResourceServer {
    core: Arc<Core>,
}

#[derive(Debug)]
struct Core {
    policy: Policy,
    verifier: Verifier,
    challenger: Challenger,
    metadata: Option<Metadata>,
    permit_all: bool,
    writes_identity_headers: bool,
    metrics: Metrics,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The handler runs, with the verified identity if there is one.
    Pass(Option<SecurityContext>),
    /// The handler does not run.
    Answer(Response<Bytes>),
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

impl ResourceServer {
    /// Every rule with its origin and mode, for printing at start. A path that is in none of them is closed.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleLine> {
        self.core.policy.lines()
    }

    /// The verifier, for callers that are not HTTP services (a queue consumer, a command line tool).
    #[must_use]
    pub fn verifier(&self) -> &Verifier {
        &self.core.verifier
    }

    /// Fetches the keys of all issuers now, instead of at the first request: for a readiness check.
    ///
    /// # Errors
    /// [`Denial::Unavailable`] for the first issuer whose keys can not be had. The others were asked too.
    pub async fn load_keys(&self) -> Result<(), Denial> {
        self.core.verifier.load_keys().await
    }

    /// Adds the metrics of this server to a registry. The names begin with `hallpass_`.
    pub fn register_metrics(&self, registry: &mut Registry) {
        self.core.metrics.register(registry);
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.core.metrics
    }

    pub(crate) fn challenger(&self) -> &Challenger {
        &self.core.challenger
    }

    pub(crate) fn writes_identity_headers(&self) -> bool {
        self.core.writes_identity_headers
    }

    /// Decides about a request. Only a verified identity ever leaves this function.
    pub(crate) async fn judge(&self, parts: &Parts) -> Verdict {
        let core = &*self.core;
        let path = parts.uri.path();
        if let Some(answer) = core
            .metadata
            .as_ref()
            .and_then(|it| it.answer(&parts.method, path))
        {
            return Verdict::Answer(answer);
        }
        let access =
            NormalPath::parse(path).and_then(|path| core.policy.resolve(&parts.method, &path));
        let (mode, route) = match &access {
            Ok(access) => (access.mode(), access.label()),
            Err(_) => (core.policy.mode(), core.policy.no_rule()),
        };
        let enforced = mode == Mode::Enforce && !core.permit_all;
        if mode == Mode::Off && !core.permit_all {
            core.metrics
                .decision(Outcome::Bypass.as_str(), "none", mode_name(mode), route);
            return Verdict::Pass(None);
        }
        let (caller, judgement) = match access {
            // An ambiguous path costs no signature check when it is refused anyway.
            Err(fault) if enforced => (None, Err(fault.into())),
            Err(fault) => (
                core.identify(parts, enforced).await.unwrap_or_default(),
                Err(fault.into()),
            ),
            Ok(ref access) => match core.identify(parts, enforced).await {
                Err(denial) => (None, Err(denial)),
                Ok(caller) => {
                    let judgement = access.decide(caller.as_ref());
                    (caller, judgement)
                }
            },
        };
        let outcome = match &judgement {
            _ if core.permit_all => Outcome::Bypass,
            Ok(()) => Outcome::Allow,
            Err(_) if enforced => Outcome::Deny,
            Err(_) => Outcome::WouldDeny,
        };
        let denial = judgement.err();
        let reason = denial.as_ref().map_or("none", Denial::reason);
        core.metrics
            .decision(outcome.as_str(), reason, mode_name(mode), route);
        Decision {
            result: outcome.as_str(),
            denial: denial.as_ref(),
            mode: mode_name(mode),
            route,
            method: &parts.method,
            caller: caller.as_ref(),
            headers: &parts.headers,
        }
        .record();
        match denial {
            Some(denial) if outcome == Outcome::Deny => {
                Verdict::Answer(core.challenger.answer(&denial))
            }
            _ => Verdict::Pass(caller.map(|it| it.context().clone())),
        }
    }
}

impl Core {
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
            Some(token) => self.verifier.verify(token).await.map(Some),
        }
    }
}
