//! What calls are judged by at one moment, and how: once per request.

mod carried;
mod decided_by;
mod judged;
mod outcome;
mod rollout_metrics;
mod verifier_info;
mod would_deny;

use std::sync::Arc;

use axum::extract::OriginalUri;
use bytes::Bytes;
use hallpass_client::ContextSettings;
use hallpass_upstream::TraceContext;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response};

use self::carried::Brought;
pub(crate) use self::decided_by::DecidedBy;
pub(crate) use self::judged::Pass;
use self::judged::{Identity, Judged};
pub(crate) use self::outcome::DecisionMetrics;
use self::outcome::{Counted, NO_REASON, Outcome};
use crate::audit::{Audit, Decision};
use crate::bearer::{Scheme, presented_token, spoken_scheme};
use crate::challenge::Challenger;
use crate::confirmation::Shown;
use crate::deadline_metrics::DeadlineMetrics;
use crate::dpop::ProofRules;
use crate::error::{Denial, KeysError};
use crate::identity_headers::HeaderMetrics;
use crate::mesh::Peers;
use crate::metadata::Metadata;
use crate::path::{EncodedCharacters, RequestPath};
use crate::patience::Patience;
use crate::policy::{Access, Explanation, Found, Mode, Policy, RequestHost, Ruling, Sorting};
use crate::settings::deadline::DeadlineSettings;
use crate::settings::streams::StreamSettings;
use crate::trusted_issuer::Issuers;
use crate::verifier::{Verified, Verifier};

/// Everything that a call is judged by. Never changes: a change of settings makes a new one, and a call goes on with
/// the one that it began with, so that its rules and its issuers always belong together.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) policy: Policy,
    pub(crate) decided_by: DecidedBy,
    pub(crate) sorting: Sorting,
    pub(crate) issuers: Issuers,
    pub(crate) challenger: Challenger,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) permit_all: bool,
    pub(crate) writes_identity_headers: bool,
    pub(crate) keeps_identity_headers: bool,
    pub(crate) max_token_bytes: usize,
    pub(crate) encoded: EncodedCharacters,
    pub(crate) patience: Patience,
    pub(crate) proofs: ProofRules,
    pub(crate) peers: Peers,
    pub(crate) streams: StreamSettings,
    pub(crate) context: ContextSettings,
    pub(crate) deadline: DeadlineSettings,
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) audit: Audit,
    pub(crate) decisions: DecisionMetrics,
    pub(crate) headers: HeaderMetrics,
    pub(crate) deadlines: DeadlineMetrics,
}

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// The handler runs.
    Pass(Pass),
    /// The handler does not run.
    Respond(Response<Bytes>),
}

impl Judge {
    /// Says what is open and what is not, as far as it is not as before.
    pub(crate) fn announce(&self, previous: Option<&Self>) {
        let rules = self.policy.lines();
        let mode = self.policy.rollout();
        if previous.is_none_or(|it| it.policy.lines() != rules || it.policy.rollout() != mode) {
            for rule in rules {
                tracing::info!(%rule, "route rule");
            }
            tracing::info!(
                %mode,
                version = &**self.policy.version(),
                path_without_meaning = self.policy.mode_without_path().name(),
                "every other request is refused, in this mode; where rules meet, all must allow the call, and the \
                 strictest mode that one of them names holds for all"
            );
        }
        if self.keeps_identity_headers && previous.is_none_or(|it| !it.keeps_identity_headers) {
            tracing::warn!(
                "dangerous-keep-identity-headers: who reaches this service without the gateway is whom he says, \
                 wherever the mode is off or report"
            );
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
        let before = previous.map(|it| (&it.policy, it.decided_by == self.decided_by));
        let (it, now) = (&self.decisions, self.verifier.now());
        it.show((&self.policy, before), &self.issuers, self.permit_all, now);
        if self.permit_all && previous.is_none_or(|it| !it.permit_all) {
            tracing::warn!(
                "SECURITY IS OFF: security.permit-all lets every call pass. This is for development only; \
                 hallpass_dev_bypass_enabled is 1 as long as it is on"
            );
        }
    }

    /// Decides about a request, which is this span of its trace. Only a verified identity ever leaves this function.
    pub(crate) async fn judge(&self, parts: &Parts, trace: &TraceContext) -> Verdict {
        if let Some(response) = self.metadata_response(parts) {
            return Verdict::Respond(response);
        }
        self.peers.count(parts);
        let judged = match self.target(parts) {
            Ok((host, path)) => match self.policy.resolve(&parts.method, host.as_ref(), &path) {
                Ok(access) => self.judge_access(parts, access).await,
                Err(fault) => self.judge_fault(parts, fault.into()).await,
            },
            Err(denial) => self.judge_fault(parts, denial).await,
        };
        let (mode, reason) = (judged.ruling.mode, judged.reason());
        let code = reason.map_or(NO_REASON, Denial::reason);
        self.decisions.count(Counted {
            outcome: judged.outcome,
            reason: code,
            mode,
            route: &judged.route,
            allowed: judged.allowed,
        });
        if judged.outcome == Outcome::WouldDeny {
            let (caller, now) = (judged.caller(), self.verifier.now());
            let exact = reason.map_or(NO_REASON, Denial::log_code);
            let would_deny = &self.decisions.would_deny;
            would_deny.count(&judged.route, exact, caller, now);
        }
        if !judged.is_off() && self.audit.is_wanted(judged.outcome.as_str()) {
            let decision = Decision {
                result: judged.outcome.as_str(),
                denial: reason,
                mode: mode.name(),
                route: &judged.route,
                policy: self.policy.version(),
                method: &parts.method,
                caller: judged.caller(),
                trace,
            };
            self.audit.record(&decision, self.verifier.now());
        }
        match judged.ruling.denial {
            Some(denial) if judged.outcome == Outcome::Deny => {
                let scheme = spoken_scheme(&parts.headers);
                Verdict::Respond(self.challenger.response(&denial, scheme))
            }
            _ => Verdict::Pass(judged.pass(self.keeps_identity_headers)),
        }
    }

    /// What becomes of a request, and why. Counted and written nowhere; a proof of possession is used up by it.
    pub(crate) async fn explain(&self, parts: &Parts) -> Explanation {
        let of_fault = |denial| {
            let mode = self.policy.mode_without_path();
            Explanation::of_fault(denial, mode, self.permit_all)
        };
        if self.metadata_response(parts).is_some() {
            let mode = self.policy.rollout().mode();
            return Explanation::of_metadata(mode, self.permit_all);
        }
        let (host, path) = match self.target(parts) {
            Ok(target) => target,
            Err(denial) => return of_fault(denial),
        };
        let mut access = match self.policy.resolve(&parts.method, host.as_ref(), &path) {
            Ok(access) => access,
            Err(fault) => return of_fault(fault.into()),
        };
        let identity = self.verify_presented(parts).await;
        self.sort(&mut access, parts, &identity);
        let (_, beside) = self.judge_carried(parts, &identity);
        let found = Found {
            method: &parts.method,
            host: host.as_ref(),
            path: &path,
            access: &access,
            beside,
        };
        self.policy.explain(found, identity, self.permit_all)
    }

    /// The metadata of the protected resource, if that is what is asked for: everybody gets them, by no rule.
    fn metadata_response(&self, parts: &Parts) -> Option<Response<Bytes>> {
        let path = original_path(parts).unwrap_or(parts.uri.path());
        self.metadata.as_ref()?.response(&parts.method, path)
    }

    /// The host and the path that rules are looked for by. The host is only asked for where rules name any.
    fn target<'r>(
        &self,
        parts: &'r Parts,
    ) -> Result<(Option<RequestHost>, RequestPath<'r>), Denial> {
        let (original, seen) = (original_path(parts), parts.uri.path());
        let path = RequestPath::parse(original, seen, self.encoded)?;
        self.peers.of(parts)?;
        let names_hosts = self.policy.names_hosts();
        let host = names_hosts.then(|| RequestHost::of(parts)).transpose()?;
        Ok((host, path))
    }

    async fn judge_access<'p>(&self, parts: &Parts, mut access: Access<'p>) -> Judged<'p> {
        let depends_on_it = access.depends_on_identity() && !self.permit_all;
        let identity = self.identify(parts, depends_on_it).await;
        self.sort(&mut access, parts, &identity);
        let mut ruling = access.rule_on(identity.as_ref().map(Option::as_ref));
        let (brought, beside) = self.judge_carried(parts, &identity);
        ruling.add(beside, access.mode());
        Judged {
            outcome: self.outcome(&ruling, access.mode()),
            strictest: access.mode(),
            route: Arc::clone(access.label()),
            allowed: access.allowed(),
            identity,
            ruling,
            brought,
        }
    }

    /// What the request brings to be carried on, and why it should not pass for that, if so.
    fn judge_carried(&self, parts: &Parts, identity: &Identity) -> (Brought, Option<Denial>) {
        let caller = identity.as_ref().ok().and_then(Option::as_ref);
        let (brought, denial) = carried::judge(&self.context, &parts.headers, caller);
        (brought, denial.or_else(|| self.peers.judge(caller)))
    }

    /// Says which callers the request counts to, where that decides anything.
    fn sort(&self, access: &mut Access<'_>, parts: &Parts, identity: &Identity) {
        if access.is_partial() {
            let caller = identity.as_ref().ok().and_then(Option::as_ref);
            let bucket = self.sorting.bucket(access.sorting(), parts, caller);
            access.called_from(bucket);
        }
    }

    async fn judge_fault(&self, parts: &Parts, denial: Denial) -> Judged<'_> {
        let mode = self.policy.mode_without_path();
        let ruling = Ruling {
            denial: (mode != Mode::Off).then_some(denial),
            mode,
        };
        let outcome = self.outcome(&ruling, mode);
        let identity = match outcome {
            // What is refused anyway costs no signature check.
            Outcome::Deny => Ok(None),
            _ => self.identify(parts, false).await,
        };
        Judged {
            outcome,
            strictest: mode,
            route: Arc::clone(self.policy.no_rule()),
            allowed: None,
            identity,
            ruling,
            brought: Brought::default(),
        }
    }

    fn outcome(&self, ruling: &Ruling, strictest: Mode) -> Outcome {
        match &ruling.denial {
            _ if self.permit_all || strictest == Mode::Off => Outcome::Bypass,
            None => Outcome::Allow,
            Some(_) if ruling.mode == Mode::Enforce => Outcome::Deny,
            Some(_) => Outcome::WouldDeny,
        }
    }

    /// The verified caller, or none when there are no bearer credentials. Bad ones are an error, never "none".
    ///
    /// Where nothing depends on it, an issuer that hangs must not hold the call up: it passes anyway.
    async fn identify(&self, parts: &Parts, depends_on_it: bool) -> Identity {
        if depends_on_it {
            return self.verify_presented(parts).await;
        }
        let in_time = self.patience.wait(self.verify_presented(parts)).await;
        in_time.unwrap_or_else(|limit| Err(Denial::Unavailable(KeysError::Timeout { limit })))
    }

    async fn verify_presented(&self, parts: &Parts) -> Identity {
        let Some(presented) = presented_token(&parts.headers, self.max_token_bytes)? else {
            return Ok(None);
        };
        let peer = self.peers.of(parts)?;
        let shown = Shown::in_request(presented.scheme, parts, &self.proofs).by(peer.as_ref());
        let verified = self.verify_shown(presented.token, &shown).await?;
        Ok(Some(verified.of_peer(peer)))
    }

    /// Verifies a token without its scheme, which came by itself.
    pub(crate) async fn verify(&self, token: &str) -> Result<Verified, Denial> {
        self.verify_shown(token, &Shown::alone()).await
    }

    async fn verify_shown(&self, token: &str, shown: &Shown<'_>) -> Result<Verified, Denial> {
        let (limit, issuers) = (self.max_token_bytes, &self.issuers);
        self.verifier.verify(token, limit, issuers, shown).await
    }

    /// The nonce that the sender of this request is to repeat in its next proof, if it makes proofs and they need one.
    pub(crate) fn nonce_for(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        match spoken_scheme(headers) {
            Scheme::Bearer => None,
            Scheme::Dpop => self.proofs.nonce(self.verifier.now()),
        }
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

/// The path that a router has routed, if one has run.
fn original_path(parts: &Parts) -> Option<&str> {
    let original = parts.extensions.get::<OriginalUri>();
    original.map(|OriginalUri(uri)| uri.path())
}
