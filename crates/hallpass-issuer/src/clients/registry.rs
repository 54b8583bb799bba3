//! Who may have which token: an immutable snapshot in memory, swapped as a whole when it changes.
//!
//! Sources are the settings (YAML) and the store; where both know a client, the settings win. Everything is
//! deny by default: a client gets the scopes, the audiences and the grants that it is registered for.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use hallpass_token::{Audience, ClientId, Scope, Subject, UnixTime};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry as MetricsRegistry;

use crate::clients::assertion_rule::AssertionRule;
use crate::clients::authentication::{
    Authentication, CertificateAuthentication, KeyAuthentication, SecretPlace,
};
use crate::clients::certificate_names::CertificateNames;
use crate::clients::exchange_rule::ExchangeRule;
use crate::clients::profile::ClientProfile;
use crate::clients::registration::{GrantType, GrantTypes, Registration, check_client_id};
use crate::clients::secret::{self, LiveSecret};
use crate::error::Error;
use crate::trusted_issuers::TrustedIssuers;

/// Clients that get a label of their own; the tokens of all others are counted under [`OTHER_CLIENTS`].
const MAX_CLIENT_LABELS: usize = 1_000;
/// The label of clients beyond [`MAX_CLIENT_LABELS`].
const OTHER_CLIENTS: &str = "_other";
/// Live secrets a client may have: the current one and the one before it.
const MAX_LIVE_SECRETS: usize = 2;
/// Scopes that the metadata document lists at most.
const MAX_SCOPES_SUPPORTED: usize = 1_000;
/// The longest life a registration may ask for: a day. An entry of the deny-list lasts as long.
pub(crate) const MAX_TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest life of a family of refresh tokens, for the same reason, and the usual one.
pub(crate) const MAX_REFRESH_LIFE: Duration = MAX_TOKEN_LIFE;

/// All registered clients.
#[derive(Debug)]
pub(crate) struct Registry {
    /// Looked up by what a caller sent, so by the hasher that resists chosen collisions.
    clients: HashMap<Box<str>, Arc<Client>>,
    /// Those who prove themselves with tokens of trusted issuers, which need not name them.
    federated: Vec<Arc<Client>>,
    scopes_supported: BTreeSet<Box<str>>,
    /// Checked in place of the secret of a client that does not exist.
    decoy: LiveSecret,
    /// Most chosen secrets of the store that one client has.
    costly_runs: usize,
}

/// One registered client.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) subject: Subject,
    pub(crate) token_life: Duration,
    /// How long what follows from one refresh token counts.
    pub(crate) refresh_life: Duration,
    pub(crate) grants: GrantTypes,
    /// Whether it gets no token without a proof of possession.
    pub(crate) is_dpop_bound: bool,
    /// Whether its tokens are bound to the certificate of the connection that it asks over.
    pub(crate) is_certificate_bound: bool,
    /// What it is held to beyond what every client is.
    pub(crate) profile: Option<ClientProfile>,
    scope: Scope,
    targets: Box<[RegisteredTarget]>,
    /// `None` for the many that exchange nothing.
    exchange: Option<Box<Exchange>>,
    /// What it may have by assertions; `None` for nearly all.
    assertions: Option<Box<Exchange>>,
    /// The names of trusted issuers whose tokens it may take back; none of nearly all.
    pub(crate) may_revoke: Vec<String>,
    /// The names in certificates that it gets; `None` for nearly all.
    pub(crate) certificate_names: Option<Box<CertificateNames>>,
    authentication: Authentication,
}

/// What a client may exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) rules: Vec<ExchangeRule>,
    /// The targets of all rules, each once.
    pub(crate) targets: Box<[RegisteredTarget]>,
}

/// A service that a client may call, and the count of tokens issued for it.
#[derive(Debug)]
pub(crate) struct RegisteredTarget {
    pub(crate) audience: Audience,
    pub(crate) issued: Counter,
}

impl Registry {
    /// Builds a snapshot from registrations; of two with one id the first one wins.
    ///
    /// What `known`, the snapshot before, remembers of secrets is kept.
    ///
    /// # Errors
    /// [`Error::Registration`] for a registration that cannot be used.
    pub(crate) fn build(
        registrations: Vec<Registration>,
        known: Option<&Self>,
        metrics: &ClientMetrics,
    ) -> Result<Self, Error> {
        let mut clients = HashMap::with_capacity(registrations.len());
        let mut scopes_supported = BTreeSet::new();
        let labelled = registrations.len() <= MAX_CLIENT_LABELS;
        let mut costly_runs = 0;
        for registration in registrations {
            let label = if labelled { None } else { Some(OTHER_CLIENTS) };
            let before = known.and_then(|known| known.find(registration.client_id.as_str()));
            let client = Client::parse(registration, before, label, metrics)?;
            if clients.contains_key(client.id.as_str()) {
                tracing::warn!(
                    client_id = client.id.as_str(),
                    "the settings replace this client of the store"
                );
                continue;
            }
            costly_runs = costly_runs.max(
                client
                    .authentication
                    .secrets()
                    .iter()
                    .filter(|secret| secret.is_costly())
                    .count(),
            );
            for scope in client.scope.iter() {
                if scopes_supported.len() < MAX_SCOPES_SUPPORTED {
                    scopes_supported.insert(Box::from(scope));
                }
            }
            clients.insert(Box::from(client.id.as_str()), Arc::new(client));
        }
        metrics
            .registered
            .set(i64::try_from(clients.len()).unwrap_or(i64::MAX));
        let decoy = secret::decoy(costly_runs > 0);
        let is_federated = |client: &&Arc<Client>| !client.assertion_rules().is_empty();
        Ok(Self {
            federated: clients.values().filter(is_federated).cloned().collect(),
            clients,
            scopes_supported,
            decoy,
            costly_runs,
        })
    }

    pub(crate) fn find(&self, unverified_client_id: &str) -> Option<&Arc<Client>> {
        self.clients.get(unverified_client_id)
    }

    /// Those who prove themselves with tokens of trusted issuers.
    pub(crate) fn federated(&self) -> &[Arc<Client>] {
        &self.federated
    }

    /// # Errors
    /// [`Error::Registration`] for a client that is called like a subject of a trusted issuer.
    pub(crate) fn check_subjects(&self, trusted: &TrustedIssuers) -> Result<(), Error> {
        let clash = self.clients.keys().find_map(|id| {
            let issuer = trusted.has_subjects_like(id)?;
            Some((id.to_string(), issuer))
        });
        clash.map_or(Ok(()), |(client_id, issuer)| {
            let problem = format!(
                "client id: begins with `{issuer}|`, as subjects of that trusted issuer do"
            );
            Err(Error::Registration { client_id, problem })
        })
    }

    /// argon2id runs that every failed check costs: what the client with the most chosen secrets of the store needs.
    pub(crate) const fn costly_runs(&self) -> usize {
        self.costly_runs
    }

    /// What is compared in place of the secrets of a client that does not exist.
    pub(crate) const fn decoy(&self) -> &LiveSecret {
        &self.decoy
    }

    /// Whether some client is `such`.
    pub(crate) fn any(&self, such: impl Fn(&Client) -> bool) -> bool {
        self.clients.values().any(|client| such(client))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.clients.is_empty()
    }

    /// No token of a client lives longer.
    pub(crate) fn longest_token_life(&self) -> Duration {
        let lives = self.clients.values().map(|client| client.token_life);
        lives.max().unwrap_or_default()
    }

    /// Every scope that some client is registered for.
    pub(crate) fn scopes_supported(&self) -> impl Iterator<Item = &str> {
        self.scopes_supported.iter().map(AsRef::as_ref)
    }
}

impl Exchange {
    /// Those of `rules` that are for `grant`, with their targets; `None` without one.
    fn take(
        rules: &mut Vec<ExchangeRule>,
        grant: GrantType,
        target: &impl Fn(GrantType, Audience) -> RegisteredTarget,
    ) -> Option<Box<Self>> {
        let by_assertion = grant == GrantType::JwtBearer;
        let is_for = |rule: &mut ExchangeRule| rule.by_assertion == by_assertion;
        let rules: Vec<_> = rules.extract_if(.., is_for).collect();
        let all = rules.iter().flat_map(|rule| rule.targets.iter().cloned());
        let all = all.collect::<BTreeSet<_>>().into_iter();
        let targets = all.map(|it| target(grant, it)).collect();
        (!rules.is_empty()).then(|| Box::new(Self { rules, targets }))
    }
}

impl Client {
    fn parse(
        registration: Registration,
        before: Option<&Arc<Self>>,
        label: Option<&str>,
        metrics: &ClientMetrics,
    ) -> Result<Self, Error> {
        let Registration {
            client_id,
            scope,
            audiences,
            grants,
            token_life,
            is_dpop_bound,
            is_certificate_bound,
            profile,
            refresh_life,
            mut exchange,
            may_revoke,
            certificate_names,
            authentication,
        } = registration;
        let problem = |problem: String| Error::Registration {
            client_id: client_id.to_string(),
            problem,
        };
        check_client_id(client_id.as_str())
            .map_err(|what| problem(format!("client id: {what}")))?;
        check_life(token_life, MAX_TOKEN_LIFE)
            .map_err(|what| problem(format!("token life: {what}")))?;
        check_life(refresh_life, MAX_REFRESH_LIFE)
            .map_err(|what| problem(format!("life of refresh tokens: {what}")))?;
        if authentication.secrets().len() > MAX_LIVE_SECRETS {
            return Err(problem(format!(
                "more than {MAX_LIVE_SECRETS} live secrets"
            )));
        }
        let target = |grant: GrantType, audience: Audience| RegisteredTarget {
            issued: metrics.issued(
                grant.as_str(),
                label.unwrap_or(client_id.as_str()),
                label.unwrap_or(audience.as_str()),
            ),
            audience,
        };
        let targets = audiences.into_iter();
        let targets = targets.map(|it| target(GrantType::ClientCredentials, it));
        let targets = targets.collect();
        let mut by_grant = |grant| Exchange::take(&mut exchange, grant, &target);
        let (exchange, assertions) = (
            by_grant(GrantType::TokenExchange),
            by_grant(GrantType::JwtBearer),
        );
        Ok(Self {
            subject: Subject::from(&client_id),
            id: client_id,
            token_life,
            refresh_life,
            grants,
            is_dpop_bound,
            is_certificate_bound,
            profile,
            scope,
            targets,
            exchange,
            assertions,
            may_revoke,
            certificate_names: certificate_names.map(Box::new),
            authentication: authentication.or_known(before.map(|it| &it.authentication)),
        })
    }

    /// Secrets that are not past their end.
    pub(crate) fn live_secrets(&self, now: UnixTime) -> impl Iterator<Item = &LiveSecret> {
        let secrets = self.authentication.secrets().iter();
        secrets.filter(move |secret| secret.is_live(now))
    }

    /// Whether it has a secret that is not past its end.
    pub(crate) fn has_live_secret(&self, now: UnixTime) -> bool {
        self.live_secrets(now).next().is_some()
    }

    /// Whether its secret may stand there.
    pub(crate) fn takes_secret(&self, place: SecretPlace) -> bool {
        self.authentication.takes_secret(place)
    }

    /// Whether nothing cheap is known of any live secret, so that only a costly check compares anything.
    pub(crate) fn is_unproven(&self, now: UnixTime) -> bool {
        self.live_secrets(now).all(LiveSecret::is_unproven)
    }

    /// What its assertions are held against, if it proves itself by such.
    pub(crate) fn key(&self) -> Option<&KeyAuthentication> {
        self.authentication.key()
    }

    /// What its certificate is held against, if it proves itself by such.
    pub(crate) fn certificate(&self) -> Option<&CertificateAuthentication> {
        self.authentication.certificate()
    }

    /// Which tokens of trusted issuers are its proof; none for nearly all.
    pub(crate) fn assertion_rules(&self) -> &[AssertionRule] {
        self.authentication.assertion_rules()
    }

    /// The scopes that it may ask for.
    pub(crate) const fn scope(&self) -> &Scope {
        &self.scope
    }

    /// The services that it may call.
    pub(crate) const fn targets(&self) -> &[RegisteredTarget] {
        &self.targets
    }

    /// What it may exchange, if anything.
    pub(crate) fn exchange(&self) -> Option<&Exchange> {
        self.exchange.as_deref()
    }

    /// What it may have by assertions, if anything.
    pub(crate) fn assertions(&self) -> Option<&Exchange> {
        self.assertions.as_deref()
    }
}

fn check_life(life: Duration, longest: Duration) -> Result<(), &'static str> {
    match life.as_secs() > 0 && life <= longest {
        true => Ok(()),
        false => Err("at least a second, at most a day"),
    }
}

/// What is counted per registered client; it outlives each snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct ClientMetrics {
    registered: Gauge,
    issued: Family<IssuedLabels, Counter>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct IssuedLabels {
    grant: &'static str,
    client: String,
    audience: String,
}

impl ClientMetrics {
    pub(crate) fn register(&self, registry: &mut MetricsRegistry) {
        registry.register("tokens_issued", "Tokens issued", self.issued.clone());
        registry.register(
            "issuer_clients",
            "Registered clients",
            self.registered.clone(),
        );
    }

    /// The counter of tokens for one grant, client and audience, resolved once per registration.
    fn issued(&self, grant: &'static str, client: &str, audience: &str) -> Counter {
        self.issued.get_or_create_owned(&IssuedLabels {
            grant,
            client: client.to_owned(),
            audience: audience.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many clients, each with an audience and a scope of its own.
    fn registry(clients: usize, metrics: &ClientMetrics) -> Registry {
        let registration = |n| Registration {
            client_id: format!("client-{n}").parse().unwrap(),
            scope: format!("scope-{n}").parse().unwrap(),
            audiences: vec![format!("audience-{n}").parse().unwrap()],
            grants: Default::default(),
            token_life: Duration::from_secs(60),
            is_dpop_bound: false,
            is_certificate_bound: false,
            profile: None,
            refresh_life: Duration::from_secs(60),
            exchange: Vec::new(),
            may_revoke: Vec::new(),
            certificate_names: None,
            authentication: Authentication::by_secrets(Vec::new()),
        };
        let registrations = (0..clients).map(registration).collect();
        Registry::build(registrations, None, metrics).unwrap()
    }

    fn labels_of(clients: usize) -> Vec<String> {
        let metrics = ClientMetrics::default();
        registry(clients, &metrics);
        let mut registry = MetricsRegistry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let lines = text.lines().filter(|line| line.contains('{'));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn of_more_than_a_thousand_clients_none_has_a_label_of_its_own() {
        assert_eq!(labels_of(MAX_CLIENT_LABELS).len(), MAX_CLIENT_LABELS);
        let others = r#"tokens_issued_total{grant="client_credentials",client="_other",audience="_other"} 0"#;
        assert_eq!(labels_of(MAX_CLIENT_LABELS + 1), [others]);
    }

    #[test]
    fn of_more_than_a_thousand_scopes_the_metadata_lists_a_thousand() {
        let listed = |clients| {
            let registry = registry(clients, &ClientMetrics::default());
            registry.scopes_supported().count()
        };
        assert_eq!(listed(MAX_SCOPES_SUPPORTED - 1), MAX_SCOPES_SUPPORTED - 1);
        assert_eq!(listed(MAX_SCOPES_SUPPORTED + 1), MAX_SCOPES_SUPPORTED);
    }
}
