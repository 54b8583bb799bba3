//! One registered client, and what many of them share.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use hallpass_token::{Audience, ClientId, Scope, Subject, UnixTime};
use prometheus_client::metrics::counter::Counter;
use serde_json::{Map, Value};

use super::metrics::ClientMetrics;
use crate::clients::assertion_rule::AssertionRule;
use crate::clients::authentication::{
    Authentication, CertificateAuthentication, KeyAuthentication, SecretPlace,
};
use crate::clients::certificate_names::CertificateNames;
use crate::clients::exchange_rule::ExchangeRule;
use crate::clients::profile::ClientProfile;
use crate::clients::registration::{
    ClientCall, GrantType, GrantTypes, Registration, check_client_id,
};
use crate::clients::secret::LiveSecret;
use crate::error::Error;

/// The label of clients that have none of their own.
const OTHER_CLIENTS: &str = "_other";
/// Live secrets a client may have: the current one and the one before it.
pub(super) const MAX_LIVE_SECRETS: usize = 2;
/// Most rights that are kept for further clients which are registered alike.
const MAX_SHARED_RIGHTS: usize = 10_000;
/// The longest life a registration may ask for: a day. An entry of the deny-list lasts as long.
pub(crate) const MAX_TOKEN_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest life of a family of refresh tokens, for the same reason, and the usual one.
pub(crate) const MAX_REFRESH_LIFE: Duration = MAX_TOKEN_LIFE;

/// One registered client. What it may do reads as its own, and is in memory once for all that may do the same: an issuer may have a
/// million clients.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: ClientId,
    pub(crate) subject: Subject,
    authentication: Authentication,
    rights: Arc<Rights>,
}

/// What a client may do.
#[derive(Debug)]
pub(crate) struct Rights {
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
    /// What its tokens for itself say beside the usual claims; `None` for nearly all.
    claims: Option<Box<Map<String, Value>>>,
    /// `None` for the many that exchange nothing.
    exchange: Option<Box<Exchange>>,
    /// What it may have by assertions; `None` for nearly all.
    assertions: Option<Box<Exchange>>,
    /// The names of trusted issuers whose tokens it may take back; none of nearly all.
    pub(crate) may_revoke: Vec<String>,
    /// The names in certificates that it gets; `None` for nearly all.
    pub(crate) certificate_names: Option<Box<CertificateNames>>,
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
    /// What tokens for it may have; `None`: what its client may have.
    scope: Option<Box<Scope>>,
    pub(crate) issued: Counter,
}

/// The rights of clients without a label of their own, for the next one that is registered alike.
#[derive(Debug, Default)]
pub(crate) struct SharedRights(HashMap<Plain, Arc<Rights>>);

/// What rights without rules and names say.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Plain {
    scope: Scope,
    audiences: Vec<Audience>,
    grants: GrantTypes,
    token_life: Duration,
    refresh_life: Duration,
    is_dpop_bound: bool,
    is_certificate_bound: bool,
    profile: Option<ClientProfile>,
}

impl Plain {
    /// `None` where the registration has rules or names of its own.
    fn of(registration: &Registration) -> Option<Self> {
        let has_own_words = !registration.calls.is_empty() || !registration.claims.is_empty();
        let has_names =
            !registration.may_revoke.is_empty() || registration.certificate_names.is_some();
        let is_plain = registration.exchange.is_empty() && !has_names && !has_own_words;
        is_plain.then(|| Self {
            scope: registration.scope.clone(),
            audiences: registration.audiences.clone(),
            grants: registration.grants,
            token_life: registration.token_life,
            refresh_life: registration.refresh_life,
            is_dpop_bound: registration.is_dpop_bound,
            is_certificate_bound: registration.is_certificate_bound,
            profile: registration.profile,
        })
    }
}

/// What clients are made with.
pub(crate) struct Making<'a> {
    pub(crate) metrics: &'a ClientMetrics,
    pub(crate) shared: &'a mut SharedRights,
    /// Whether each client has a label of its own.
    pub(crate) is_labelled: bool,
}

impl Client {
    /// `before` is the same client as it was; what that remembers of secrets is kept.
    ///
    /// # Errors
    /// [`Error::Registration`] for a registration that cannot be used.
    pub(super) fn parse(
        registration: Registration,
        before: Option<&Self>,
        making: &mut Making<'_>,
    ) -> Result<Self, Error> {
        check(&registration).map_err(|problem| Error::Registration {
            client_id: registration.client_id.to_string(),
            problem,
        })?;
        let (id, authentication, rights) = Rights::take(registration, making);
        Ok(Self {
            subject: Subject::from(&id),
            id,
            authentication: authentication.or_known(before.map(|it| &it.authentication)),
            rights,
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

    /// How many of its secrets may cost an argon2id run.
    pub(super) fn costly_secrets(&self) -> usize {
        let secrets = self.authentication.secrets().iter();
        secrets.filter(|secret| secret.is_costly()).count()
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

    #[cfg(test)]
    pub(super) const fn rights(&self) -> &Arc<Rights> {
        &self.rights
    }
}

impl Deref for Client {
    type Target = Rights;

    fn deref(&self) -> &Rights {
        &self.rights
    }
}

impl Rights {
    /// Those of `registration`, and what is the client's own.
    fn take(
        registration: Registration,
        making: &mut Making<'_>,
    ) -> (ClientId, Authentication, Arc<Self>) {
        let plain = Plain::of(&registration).filter(|_| !making.is_labelled);
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
            calls,
            claims,
            certificate_names,
            authentication,
        } = registration;
        if let Some(shared) = plain.as_ref().and_then(|plain| making.shared.0.get(plain)) {
            return (client_id, authentication, Arc::clone(shared));
        }
        let label = (!making.is_labelled).then_some(OTHER_CLIENTS);
        let target = |grant: GrantType, audience: Audience| RegisteredTarget {
            issued: making.metrics.issued(
                grant.as_str(),
                label.unwrap_or(client_id.as_str()),
                label.unwrap_or(audience.as_str()),
            ),
            audience,
            scope: None,
        };
        let own_target = |audience| target(GrantType::ClientCredentials, audience);
        let targets = own_targets(audiences, calls, own_target);
        let mut by_grant = |grant| Exchange::take(&mut exchange, grant, &target);
        let (exchange, assertions) = (
            by_grant(GrantType::TokenExchange),
            by_grant(GrantType::JwtBearer),
        );
        let rights = Arc::new(Self {
            token_life,
            refresh_life,
            grants,
            is_dpop_bound,
            is_certificate_bound,
            profile,
            scope,
            targets,
            claims: (!claims.is_empty()).then(|| Box::new(claims)),
            exchange,
            assertions,
            may_revoke,
            certificate_names: certificate_names.map(Box::new),
        });
        if let Some(plain) = plain {
            making.shared.put(plain, Arc::clone(&rights));
        }
        (client_id, authentication, rights)
    }

    /// The scopes that it may ask for at `target`, one of [`targets`](Self::targets).
    pub(crate) fn scope_for<'r>(&'r self, target: &'r RegisteredTarget) -> &'r Scope {
        target.scope.as_deref().unwrap_or(&self.scope)
    }

    /// Every scope that it may ask for, one that it may ask for twice too.
    pub(super) fn every_scope(&self) -> impl Iterator<Item = &str> {
        let own = self.targets.iter().filter_map(|it| it.scope.as_deref());
        self.scope.iter().chain(own.flat_map(Scope::iter))
    }

    /// What its tokens for itself say beside the usual claims.
    pub(crate) fn claims(&self) -> Map<String, Value> {
        self.claims.as_deref().cloned().unwrap_or_default()
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

/// Those of `audiences`, and those of `calls`, which have scopes of their own.
fn own_targets(
    audiences: Vec<Audience>,
    calls: Vec<ClientCall>,
    target: impl Fn(Audience) -> RegisteredTarget,
) -> Box<[RegisteredTarget]> {
    let calls = calls.into_iter().map(|call| RegisteredTarget {
        scope: Some(Box::new(call.scope)),
        ..target(call.audience)
    });
    let plain = audiences.into_iter().map(&target);
    plain.chain(calls).collect()
}

impl SharedRights {
    fn put(&mut self, plain: Plain, rights: Arc<Rights>) {
        if self.0.len() >= MAX_SHARED_RIGHTS {
            // Those that no client has any more.
            self.0.retain(|_, rights| Arc::strong_count(rights) > 1);
        }
        if self.0.len() < MAX_SHARED_RIGHTS {
            self.0.insert(plain, rights);
        }
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

fn check(registration: &Registration) -> Result<(), String> {
    check_client_id(registration.client_id.as_str())
        .map_err(|what| format!("client id: {what}"))?;
    check_life(registration.token_life, MAX_TOKEN_LIFE)
        .map_err(|what| format!("token life: {what}"))?;
    check_life(registration.refresh_life, MAX_REFRESH_LIFE)
        .map_err(|what| format!("life of refresh tokens: {what}"))?;
    match registration.authentication.secrets().len() > MAX_LIVE_SECRETS {
        true => Err(format!("more than {MAX_LIVE_SECRETS} live secrets")),
        false => Ok(()),
    }
}

fn check_life(life: Duration, longest: Duration) -> Result<(), &'static str> {
    match life.as_secs() > 0 && life <= longest {
        true => Ok(()),
        false => Err("at least a second, at most a day"),
    }
}
