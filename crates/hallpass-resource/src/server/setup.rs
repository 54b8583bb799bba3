//! How a [`Judge`] is made of what stands in code and of the settings.

mod blacklist;
mod rules;

use std::sync::Arc;
use std::time::Duration;

use hallpass_clock::Clock;
use hallpass_config::Percent;
use hallpass_token::{Audience, JwkSet, VerifyPolicy};
use hallpass_upstream::{Network, ReplaySharing, RevocationSource};
use url::Url;

use crate::audit::Audit;
use crate::challenge::Challenger;
use crate::dpop::ProofRules;
use crate::error::{SetupError, SetupProblem};
use crate::introspection::Introspection;
use crate::judge::{DecidedBy, Judge};
use crate::key_source::{KeyLimits, KeySource};
use crate::mesh::Peers;
use crate::metadata::Metadata;
use crate::metrics::ResourceMetrics;
use crate::patience::Patience;
use crate::policy::{Mode, Policy, Rollout, RouteRule, Sorting};
use crate::settings::dpop::NonceSecret;
use crate::settings::{
    IdentityHeaders, InternalJwtSettings, JwksLocation, SecuritySettings, TrustedIssuerSettings,
};
use crate::trusted_issuer::{Issuers, Trust, TrustedIssuer};
use crate::verifier::Verifier;

/// What stands in code: it stays when settings change, and goes before them where both say something.
#[derive(Debug)]
pub(super) struct FromCode {
    pub(super) realm: String,
    pub(super) clock: Arc<dyn Clock>,
    /// The way to the keys of issuers in the settings.
    pub(super) network: Option<Network>,
    pub(super) issuers: Vec<Arc<Trust>>,
    pub(super) rules: Vec<RouteRule>,
    pub(super) mode: Option<Mode>,
    pub(super) enforced: Option<Percent>,
    pub(super) max_token_bytes: Option<usize>,
    pub(super) permit_all: Option<bool>,
    pub(super) production_signal: Option<String>,
    pub(super) writes_identity_headers: Option<bool>,
    pub(super) resource: Option<Url>,
    pub(super) verifier: Arc<Verifier>,
    pub(super) audit: Audit,
    /// Random: what nonces are made with where the settings have no secret for it.
    pub(super) nonce_secret: NonceSecret,
    pub(super) metrics: ResourceMetrics,
}

/// What stands in code, and the settings that were taken last.
#[derive(Debug)]
pub(super) struct Setup {
    code: FromCode,
    applied: SecuritySettings,
    configured: Vec<ConfiguredIssuer>,
}

/// Settings that can be taken, with all that was made of them.
#[derive(Debug)]
pub(super) struct Prepared {
    settings: SecuritySettings,
    configured: Vec<ConfiguredIssuer>,
    judge: Arc<Judge>,
}

/// An issuer of the settings at work.
#[derive(Clone, Debug)]
struct ConfiguredIssuer {
    entry: IssuerEntry,
    trust: Arc<Trust>,
}

/// All that the settings say about one issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct IssuerEntry {
    settings: TrustedIssuerSettings,
    leeway: Duration,
    cooldown: Duration,
}

impl Setup {
    /// Without any settings yet.
    pub(super) fn new(code: FromCode) -> Self {
        Self {
            code,
            applied: SecuritySettings::default(),
            configured: Vec::new(),
        }
    }

    pub(super) fn is_applied(&self, settings: &SecuritySettings) -> bool {
        self.applied == *settings
    }

    /// Makes a judge, or returns all problems. Changes nothing.
    pub(super) fn prepare(&self, settings: &SecuritySettings) -> Result<Prepared, SetupError> {
        let mut problems = Vec::new();
        let prepared = self.prepare_with(settings, &mut problems);
        if problems.is_empty() {
            Ok(prepared)
        } else {
            Err(SetupError { problems })
        }
    }

    /// As [`prepare`](Self::prepare); what it returns beside problems must not be taken.
    pub(super) fn prepare_with(
        &self,
        settings: &SecuritySettings,
        problems: &mut Vec<SetupProblem>,
    ) -> Prepared {
        let (code, jwt) = (&self.code, &settings.internal_jwt);
        let permit_all = code.permit_all.unwrap_or(settings.permit_all);
        let signal = code.production_signal.as_ref();
        if permit_all && let Some(signal) = signal.or(settings.production_signal.as_ref()) {
            let signal = signal.clone();
            problems.push(SetupProblem::PermitAllInProduction { signal });
        }
        let configured = self.configured_issuers(jwt, problems);
        let issuers = self.issuers(jwt, &configured, problems);

        report_missing_store(code, jwt, problems);
        let rules = rules::all(&code.rules, jwt);
        rules::report_unknown_parties(&rules, &issuers, problems);
        let mode = code.mode.unwrap_or(jwt.mode);
        let enforced = code.enforced(jwt);
        let needed = rules.iter().any(|(_, rule)| rule.needs_identity());
        if issuers.is_empty() && needed && mode != Mode::Off && !permit_all {
            problems.push(SetupProblem::NoIssuer);
        }
        let resource = code.resource.as_ref().or(jwt.resource.as_ref());
        let metadata = resource.and_then(|resource| {
            let names = issuers.iter().map(|it| it.policy.issuer().as_str());
            let scopes = rules.iter().flat_map(|(_, rule)| rule.rule_scopes());
            Metadata::new(resource, names, scopes)
                .map_err(|problem| problems.push(problem))
                .ok()
        });
        let are_named = rules.iter().any(|(_, rule)| rule.names_peers());
        let peers = Peers::new(jwt.mesh.as_ref(), are_named, &code.metrics.mesh);
        let writes_identity_headers = code
            .writes_identity_headers
            .unwrap_or(jwt.identity_headers == IdentityHeaders::Set);
        let policy = Policy::new(rules, Rollout::new(mode, enforced), problems);
        let judge = Judge {
            decided_by: DecidedBy::new(policy.demands(), settings),
            policy,
            sorting: Sorting::new(&code.realm),
            issuers,
            challenger: Challenger::new(&code.realm, metadata.as_ref().map(Metadata::address)),
            metadata,
            permit_all,
            writes_identity_headers,
            keeps_identity_headers: jwt.dangerous_keep_identity_headers,
            max_token_bytes: code.max_token_bytes.unwrap_or(settings.max_token_bytes),
            encoded: settings.paths.allow_encoded,
            patience: Patience::default(),
            streams: jwt.streams,
            context: settings.context.clone(),
            deadline: settings.deadline.clone(),
            proofs: ProofRules::new(&jwt.dpop, &code.nonce_secret),
            peers,
            verifier: Arc::clone(&code.verifier),
            audit: code.audit.by(jwt.audit, jwt.audit_file.as_deref()),
            decisions: code.metrics.decisions.clone(),
            headers: code.metrics.headers.clone(),
            deadlines: code.metrics.deadlines.clone(),
        };
        Prepared {
            settings: settings.clone(),
            configured,
            judge: Arc::new(judge),
        }
    }

    /// Remembers what was prepared, to compare the next settings with.
    pub(super) fn take(&mut self, prepared: Prepared) -> Arc<Judge> {
        self.applied = prepared.settings;
        self.configured = prepared.configured;
        prepared.judge
    }

    /// All that are trusted, and what of their tokens is refused all the same.
    fn issuers(
        &self,
        jwt: &InternalJwtSettings,
        configured: &[ConfiguredIssuer],
        problems: &mut Vec<SetupProblem>,
    ) -> Issuers {
        let code = &self.code;
        let in_settings = configured.iter().map(|it| &it.trust);
        let trusted = code.issuers.iter().chain(in_settings).cloned().collect();
        let issuers = Issuers::new(trusted, problems).denying(jwt.denied.list());
        let (network, asked) = (code.network.as_ref(), &code.metrics.blacklist);
        let blacklist = blacklist::prepare(jwt, &issuers, (network, asked), problems);
        issuers.asking(blacklist)
    }

    /// The issuers of the settings. One whose entry is as before is the same as before, verified tokens included.
    fn configured_issuers(
        &self,
        jwt: &InternalJwtSettings,
        problems: &mut Vec<SetupProblem>,
    ) -> Vec<ConfiguredIssuer> {
        let mut configured = Vec::with_capacity(jwt.issuers.len());
        for settings in &jwt.issuers {
            let entry = IssuerEntry {
                settings: settings.clone(),
                leeway: jwt.leeway,
                cooldown: jwt.jwks_cooldown,
            };
            let same = self.configured.iter().find(|it| it.entry == entry);
            let (keys, introspection) = (self.keys(&entry), self.introspection(&entry));
            match (same, keys, introspection) {
                (Some(same), _, _) => configured.push(same.clone()),
                (None, Some(keys), Some(introspection)) => {
                    configured.push(self.trust(entry, keys, introspection));
                }
                (None, _, _) => problems.push(SetupProblem::NoNetwork {
                    issuer: settings.name.clone(),
                }),
            }
        }
        configured
    }

    fn trust(
        &self,
        entry: IssuerEntry,
        keys: KeySource,
        introspection: Option<Introspection>,
    ) -> ConfiguredIssuer {
        let settings = &entry.settings;
        let (issuer, audiences) = (settings.issuer.clone(), settings.audiences.clone());
        let policy = VerifyPolicy::for_audiences(issuer, audiences)
            .with_leeway(entry.leeway)
            .with_algorithms(settings.algorithms);
        let policy = if settings.dangerous_accept_untyped {
            policy.dangerous_accept_untyped()
        } else {
            policy
        };
        let trusted = TrustedIssuer::with_policy(policy, keys)
            .named(&settings.name)
            .with_callers(settings.callers.clone());
        let trusted = if settings.internal {
            trusted.internal()
        } else {
            trusted
        };
        trusted
            .keys()
            .attach(self.code.metrics.keys.of_issuer(&settings.name));
        let trusted = match self.revocations(settings) {
            Some(revocations) => trusted.with_revocations(revocations),
            None => trusted,
        };
        let trusted = match introspection {
            Some(introspection) => trusted.with_introspection(introspection),
            None => trusted,
        };
        let trust = Trust::new(trusted);
        ConfiguredIssuer {
            entry,
            trust: Arc::new(trust),
        }
    }

    /// Where an issuer is asked about tokens: as before if that is as before, else one that nothing was asked yet. None without a way
    /// there.
    fn introspection(&self, entry: &IssuerEntry) -> Option<Option<Introspection>> {
        let Some(settings) = &entry.settings.introspection else {
            return Some(None);
        };
        let before = self.configured.iter().find(|it| {
            let before = &it.entry.settings;
            before.name == entry.settings.name && before.introspection.as_ref() == Some(settings)
        });
        if let Some(before) = before {
            return Some(before.trust.introspection.clone());
        }
        let network = self.code.network.as_ref()?;
        let introspection =
            Introspection::new(settings.credential.clone(), network, settings.limits);
        let introspection = introspection.about(settings.tokens);
        let metrics = &self.code.metrics.introspection;
        introspection.attach(metrics.of_issuer(&entry.settings.name));
        Some(Some(introspection))
    }

    /// The deny-list of before if it is of the same issuer and place; else one that begins.
    fn revocations(&self, settings: &TrustedIssuerSettings) -> Option<RevocationSource> {
        let url = settings.revocations.as_ref()?;
        let before = self.configured.iter().find(|it| {
            let before = &it.entry.settings;
            (&before.name, &before.issuer) == (&settings.name, &settings.issuer)
                && before.revocations.as_ref() == Some(url)
        });
        if let Some(before) = before {
            return before.trust.revocations.clone();
        }
        let revocations = RevocationSource::http(url.clone(), self.code.network.as_ref()?);
        revocations.attach(self.code.metrics.revocations.of_issuer(&settings.name));
        Some(revocations)
    }

    /// The key source of before if nothing that it depends on has changed; else a new one, with the keys of before if
    /// they are of the same issuer and place. None without a way to fetch them.
    fn keys(&self, entry: &IssuerEntry) -> Option<KeySource> {
        let settings = &entry.settings;
        let same_place = self.configured.iter().filter(|it| {
            let before = &it.entry.settings;
            before.issuer == settings.issuer && before.jwks == settings.jwks
        });
        // Of several entries of one issuer, rather the one of this name.
        let before = same_place.min_by_key(|it| it.entry.settings.name != settings.name);
        if let Some(before) = before
            && before.entry.settings.name == settings.name
            && before.entry.cooldown == entry.cooldown
        {
            return Some(before.trust.keys.clone());
        }
        let limits = KeyLimits {
            cooldown: entry.cooldown,
            ..KeyLimits::default()
        };
        let keys = match &settings.jwks {
            JwksLocation::File(path) => {
                KeySource::file(path.clone(), Arc::clone(&self.code.clock), limits)
            }
            JwksLocation::Url(url) => {
                KeySource::http(url.clone(), self.code.network.as_ref()?, limits)
            }
            JwksLocation::Nowhere => {
                return Some(KeySource::fixed(
                    JwkSet::new([]),
                    Arc::clone(&self.code.clock),
                ));
            }
        };
        // Other issuers need not know how our services and machines are called.
        if settings.internal
            && let Some(audience) = settings.audiences.first()
        {
            keys.introduce_as(&verifier_name(audience));
        }
        if let Some(before) = before {
            keys.take_keys_of(&before.trust.keys);
        }
        Some(keys)
    }
}

impl FromCode {
    /// For how many callers the mode of the service counts.
    fn enforced(&self, jwt: &InternalJwtSettings) -> Percent {
        match (self.enforced, self.mode) {
            (Some(enforced), _) => enforced,
            // A mode in code goes before the settings, with its percentage.
            (None, Some(_)) => Percent::ALL,
            (None, None) => jwt.enforce_percent,
        }
    }
}

/// How this process is called when it asks our own issuer for its keys: the service, and which of its processes.
fn verifier_name(audience: &Audience) -> String {
    let system = rustix::system::uname();
    let host = system.nodename().to_string_lossy();
    format!("{audience}@{host}:{}", std::process::id())
}

/// Who demands that proofs count once for all instances needs what they share.
fn report_missing_store(
    code: &FromCode,
    jwt: &InternalJwtSettings,
    problems: &mut Vec<SetupProblem>,
) {
    let has_store = code
        .network
        .as_ref()
        .is_some_and(|it| it.replay_store().is_some());
    if jwt.dpop.sharing == ReplaySharing::OrRefuse && !has_store {
        problems.push(SetupProblem::BadValue {
            key: "security.internal-jwt.dpop.without-replay-store".to_owned(),
            message: "`refuse` needs a section `redis`, and a program with the feature `redis`"
                .to_owned(),
        });
    }
}
