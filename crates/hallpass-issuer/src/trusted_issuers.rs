//! Other issuers that this one believes, each with its keys.
//!
//! A key of one never verifies a token of another, and what each may sign with is said by its entry alone.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use hallpass_clock::Clock;
use hallpass_resource::{Denial, KeyLimits, KeyMetrics, KeySource, KeysError};
use hallpass_tls::{ClientTls, TlsMetrics};
use hallpass_token::{
    Audience, CallerKind, Issuer, KeyId, ReplayName, RevocationMarks, Seen, Subject, TokenClaims,
    UnixTime, UnknownCaller, UnverifiedToken, VerifiedClaims, VerifyPolicy,
};
use hallpass_upstream::{HttpTransport, MemoryReplays, Network, Reminders, StaticDiscovery};
use serde::Deserialize;

use crate::clients::exchange_rule::SubjectKind;
use crate::error::Error;
use crate::http::public_urls::{PublicUrls, TOKEN_PATH};
use crate::refresh::family::ForeignSignature;
use crate::replays::Used;
use crate::settings::trusted_issuer::{KeyPlace, TrustedIssuerSettings};
use crate::spiffe;

/// How far its clock may be ahead of ours.
pub(crate) const LEEWAY: Duration = Duration::from_secs(10);
/// How long an assertion that counts once may live where `max-age-seconds` says nothing: so long, one that was used before a
/// restart counts once more.
const LONGEST_LIFE: Duration = Duration::from_secs(3_600);
/// Used assertions of one issuer that are remembered, some 4 MiB; a client has half of them at most.
const MOST_REMEMBERED: usize = 100_000;

/// The trusted issuers of one issuer, as they change.
#[derive(Debug, Default)]
pub(crate) struct Trust {
    current: ArcSwap<TrustedIssuers>,
    pub(crate) metrics: KeyMetrics,
}

/// Those of one moment; immutable.
#[derive(Debug, Default)]
pub(crate) struct TrustedIssuers {
    all: Vec<Arc<TrustedIssuer>>,
}

/// One of them, and its keys.
#[derive(Debug)]
pub(crate) struct TrustedIssuer {
    settings: TrustedIssuerSettings,
    /// What its tokens must bear in `aud` to be for this issuer.
    audiences: Vec<Audience>,
    /// What its subjects are called by here, before their own name. No name of an entry has the stroke, so that no two
    /// issuers have a prefix in common.
    prefix: String,
    pub(crate) keys: KeySource,
    /// Its assertions that were used here.
    used: Arc<MemoryReplays>,
    said: Reminders,
}

impl Trust {
    /// Those of `settings`. One whose keys are where they were goes on with the keys that it has.
    ///
    /// # Errors
    /// [`Error::TrustedIssuer`]; nothing has changed then.
    pub(crate) async fn prepare(
        &self,
        settings: &[TrustedIssuerSettings],
        urls: &PublicUrls,
        clock: &Arc<dyn Clock>,
    ) -> Result<TrustedIssuers, Error> {
        let before = self.current();
        let mut all = Vec::with_capacity(settings.len());
        for settings in settings {
            let same = before.all.iter().find(|it| it.settings == *settings);
            if let Some(same) = same {
                all.push(Arc::clone(same));
                continue;
            }
            let same_place = before.all.iter().find(|it| it.has_keys_of(settings));
            let keys = match same_place {
                Some(before) => before.keys.clone(),
                None => key_source(settings, KeyLimits::default(), clock).await?,
            };
            let known = before.find(settings.issuer.as_str());
            let used = known.map(|before| Arc::clone(&before.used));
            let used = used.unwrap_or_else(|| {
                let life = settings.max_age.unwrap_or_default().max(LONGEST_LIFE);
                let memory = MemoryReplays::new(MOST_REMEMBERED);
                Arc::new(memory.following(Arc::clone(clock), life.saturating_add(2 * LEEWAY)))
            });
            keys.count_in(&self.metrics, &settings.name);
            all.push(Arc::new(TrustedIssuer {
                audiences: audiences(settings, urls),
                prefix: match settings.dangerous_plain_subjects {
                    true => String::new(),
                    false => format!("{}|", settings.name),
                },
                used,
                settings: settings.clone(),
                keys,
                said: Reminders::default(),
            }));
        }
        Ok(TrustedIssuers { all })
    }

    /// From now on those of `trusted` are trusted, and no others.
    pub(crate) fn swap(&self, trusted: TrustedIssuers) {
        let before = self.current.swap(Arc::new(trusted));
        let current = self.current();
        let stays = |name: &str| current.all.iter().any(|it| it.settings.name == name);
        let gone = before.all.iter().filter(|it| !stays(&it.settings.name));
        gone.for_each(|it| self.metrics.forget(&it.settings.name));
    }

    /// For who may wait while it is held.
    pub(crate) fn current(&self) -> Arc<TrustedIssuers> {
        self.current.load_full()
    }

    /// For who does not.
    pub(crate) fn at_once(&self) -> Guard<Arc<TrustedIssuers>> {
        self.current.load()
    }
}

impl TrustedIssuers {
    /// The one whose `iss` this is.
    pub(crate) fn find(&self, issuer: &str) -> Option<&Arc<TrustedIssuer>> {
        let is_it = |it: &&Arc<TrustedIssuer>| it.settings.issuer.as_str() == issuer;
        self.all.iter().find(is_it)
    }

    /// What all of them are called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &Issuer> {
        self.all.iter().map(|it| it.issuer())
    }

    /// The trust domain of the SPIFFE id that the claims are about, which nobody has verified.
    pub(crate) fn find_by_subject(&self, claims: &[u8]) -> Option<&Arc<TrustedIssuer>> {
        #[derive(Deserialize)]
        struct OfWorkload {
            sub: String,
        }
        let claims: OfWorkload = serde_json::from_slice(claims).ok()?;
        let domain = spiffe::trust_domain(&claims.sub)?;
        self.find(domain).filter(|it| it.is_of_spiffe())
    }

    /// The name of the one whose subjects are called so, if there is one.
    pub(crate) fn has_subjects_like(&self, name: &str) -> Option<&str> {
        let is_it =
            |it: &&Arc<TrustedIssuer>| !it.prefix.is_empty() && name.starts_with(&it.prefix);
        let found = self.all.iter().find(is_it);
        found.map(|it| it.settings.name.as_str())
    }
}

impl TrustedIssuer {
    pub(crate) const fn issuer(&self) -> &Issuer {
        &self.settings.issuer
    }

    pub(crate) const fn settings(&self) -> &TrustedIssuerSettings {
        &self.settings
    }

    /// Says that a token could not be judged: once and then every ten minutes, however many come.
    pub(crate) fn say_unavailable(&self, error: &KeysError) {
        let (issuer, code) = (self.settings.name.as_str(), error.code());
        if let Some(times) = self.said.times(code) {
            tracing::warn!(issuer, code, %error, times, "a token of a trusted issuer could not be judged");
        } else {
            tracing::debug!(issuer, code, %error, "a token of a trusted issuer could not be judged");
        }
    }

    /// What its tokens must bear in `aud` to be for this issuer.
    pub(crate) fn audiences(&self) -> &[Audience] {
        &self.audiences
    }

    /// The claims of its token, which must be for one of `audiences`. Waits for its keys, if they are not here. `is_untyped`: it
    /// may be something else than an access token, so that its `typ` says nothing.
    ///
    /// # Errors
    /// [`Denial::Token`], or [`Denial::Unavailable`] while its keys cannot be had.
    pub(crate) async fn verify(
        &self,
        token: &UnverifiedToken<'_>,
        audiences: Vec<Audience>,
        is_untyped: bool,
        now: impl Fn() -> UnixTime,
    ) -> Result<(VerifiedClaims, ForeignSignature), Denial> {
        let settings = &self.settings;
        let policy = VerifyPolicy::for_audiences(settings.issuer.clone(), audiences)
            .with_algorithms(settings.algorithms);
        let policy = match is_untyped || settings.dangerous_accept_untyped {
            true => policy.dangerous_accept_untyped(),
            false => policy,
        };
        // A JWT-SVID need not say who has issued it (JWT-SVID section 3).
        let policy = match self.is_of_spiffe() {
            true => policy.dangerous_any_issuer(),
            false => policy,
        };
        let (claims, keys) = self.keys.verify(token, &policy, now).await?;
        let algorithm = token.algorithm();
        let key = keys.keys().find(token.key_id(), algorithm)?;
        let signed = ForeignSignature {
            key: key.thumbprint(),
            algorithm,
            is_typed: token.states_access_token(),
        };
        Ok((claims, signed))
    }

    /// Whether it still publishes the key, called `kid` then, that something of it was verified with before.
    ///
    /// # Errors
    /// Why its keys cannot be had.
    pub(crate) async fn still_has(
        &self,
        kid: Option<&KeyId>,
        signed: ForeignSignature,
    ) -> Result<bool, KeysError> {
        let ForeignSignature { key, algorithm, .. } = signed;
        self.keys.still_has(kid, key, algorithm).await
    }

    /// Whether it may sign so, and such tokens, as its entry says now.
    pub(crate) fn may_sign(&self, signed: ForeignSignature) -> bool {
        self.settings.algorithms.contains(signed.algorithm)
    }

    /// What the subject of its token is, which was verified now or before; `None` when that, or the client that the token was
    /// issued to, cannot be told.
    pub(crate) fn subject_kind(&self, claims: &TokenClaims) -> Option<SubjectKind> {
        let (caller, client) = self.settings.callers.judge_kept(claims);
        client.and_then(|_| self.kind(caller, claims))
    }

    /// The same of an assertion, which was made for this issuer alone, whoever has asked for it.
    pub(crate) fn kind_of_assertion(&self, claims: &TokenClaims) -> Option<SubjectKind> {
        let (caller, _) = self.settings.callers.judge_kept(claims);
        self.kind(caller, claims)
    }

    fn kind(&self, caller: CallerKind, claims: &TokenClaims) -> Option<SubjectKind> {
        match caller {
            CallerKind::Service => Some(SubjectKind::Service),
            CallerKind::User => Some(SubjectKind::User),
            // Of other issuers it is a claim like any other: who may write one into their tokens would choose what they are.
            CallerKind::Unknown(UnknownCaller::ServiceWithActor)
                if !self.settings.accept_sub_profile =>
            {
                Some(SubjectKind::User)
            }
            CallerKind::Unknown(UnknownCaller::ServiceWithActor) => {
                // Whoever writes it as we do names who acts for the service.
                claims.actor.as_ref().map(|_| SubjectKind::Service)
            }
            CallerKind::Unknown(_) => None,
        }
    }

    fn is_of_spiffe(&self) -> bool {
        spiffe::trust_domain(self.settings.issuer.as_str()).is_some()
    }

    /// Whether it may say anything of this subject: the keys of a trust domain are for ids of that domain alone.
    pub(crate) fn may_speak_of(&self, subject: &Subject) -> bool {
        let own = self.settings.issuer.as_str();
        !self.is_of_spiffe() || spiffe::trust_domain(subject.as_str()) == Some(own)
    }

    /// Whether its token is not older than its tokens may be. One that does not say when it was issued could be of any age.
    pub(crate) fn is_young(&self, claims: &TokenClaims, now: UnixTime) -> bool {
        let Some(max_age) = self.settings.max_age else {
            return true;
        };
        let oldest = |issued: UnixTime| issued.saturating_add(max_age).saturating_add(LEEWAY);
        claims.issued_at.is_some_and(|issued| now < oldest(issued))
    }

    /// Whether its assertion lives no longer than one may that counts once: with a `max-age-seconds` that is for
    /// [`is_young`](Self::is_young) to say.
    pub(crate) fn is_short(&self, claims: &TokenClaims, now: UnixTime) -> bool {
        let longest = LONGEST_LIFE.saturating_add(LEEWAY);
        let is_within = |from: UnixTime| claims.expires_at <= from.saturating_add(longest);
        let is_bounded = self.settings.assertions_again || self.settings.max_age.is_some();
        is_bounded || (is_within(now) && claims.issued_at.is_none_or(is_within))
    }

    /// Whether an assertion was not used here before, as far as that counts, and what to look for in what instances share; from now on
    /// it was. `None` when it has no name, so that nothing would tell.
    pub(crate) fn use_once(
        &self,
        client: &str,
        claims: &TokenClaims,
        now: UnixTime,
    ) -> Option<(Seen, Option<Used>)> {
        if self.settings.assertions_again {
            return Some((Seen::First, None));
        }
        let id = claims.token_id.as_ref()?;
        let age = claims.issued_at.zip(self.settings.max_age);
        let too_old = age.map(|(issued, age)| issued.saturating_add(age));
        let until = too_old.map_or(claims.expires_at, |it| it.min(claims.expires_at));
        let (issuer, id) = (self.settings.issuer.as_str(), id.as_str());
        let used = Used {
            name: ReplayName::of(&[b"of issuer", issuer.as_bytes(), id.as_bytes()]),
            until: until.saturating_add(LEEWAY),
        };
        Some((used.see(&self.used, client, now), Some(used)))
    }

    /// How its subject is called here; `None` when that is too long for a name.
    pub(crate) fn name_of(&self, subject: &Subject) -> Option<Subject> {
        format!("{}{subject}", self.prefix).parse().ok()
    }

    fn has_keys_of(&self, other: &TrustedIssuerSettings) -> bool {
        let own = &self.settings;
        (&own.name, &own.issuer, &own.keys, &own.tls)
            == (&other.name, &other.issuer, &other.keys, &other.tls)
            && own.jwks_bearer_file == other.jwks_bearer_file
    }
}

/// Whether it says that it was issued later than now, so that its age would say nothing.
pub(crate) fn is_from_future(claims: &TokenClaims, now: UnixTime) -> bool {
    let is_later = |issued: UnixTime| now.saturating_add(LEEWAY) < issued;
    claims.issued_at.is_some_and(is_later)
}

/// What a token is revoked by here, whose subject is called `name` here: its client is a name of its issuer. Its id is one too, but
/// clients that may revoke its tokens do so by that.
pub(crate) fn marks_here(claims: &TokenClaims, name: &Subject) -> RevocationMarks {
    let known_here = TokenClaims {
        subject: name.clone(),
        client_id: None,
        ..claims.clone()
    };
    RevocationMarks::of(&known_here, None)
}

fn audiences(settings: &TrustedIssuerSettings, urls: &PublicUrls) -> Vec<Audience> {
    if !settings.audiences.is_empty() {
        return settings.audiences.clone();
    }
    let own = [urls.issuer.to_string(), urls.endpoint(TOKEN_PATH)];
    own.iter().filter_map(|name| name.parse().ok()).collect()
}

pub(crate) async fn key_source(
    settings: &TrustedIssuerSettings,
    limits: KeyLimits,
    clock: &Arc<dyn Clock>,
) -> Result<KeySource, Error> {
    if let KeyPlace::File(path) = &settings.keys {
        return Ok(KeySource::file(path.clone(), Arc::clone(clock), limits));
    }
    let problem = |problem: String| Error::TrustedIssuer {
        name: settings.name.clone(),
        problem,
    };
    let network = network(settings, clock).await.map_err(problem)?;
    let keys = match &settings.keys {
        KeyPlace::Url(url) => KeySource::http(url.clone(), &network, limits),
        KeyPlace::File(_) | KeyPlace::Discovered => {
            KeySource::discovered(&settings.issuer, &network, limits)
                .map_err(|error| problem(format!("issuer: {error}")))?
        }
    };
    if let Some(file) = &settings.jwks_bearer_file {
        keys.authorize_by(file.clone());
    }
    Ok(keys)
}

/// The way to one issuer, which trusts whom its entry says.
async fn network(
    settings: &TrustedIssuerSettings,
    clock: &Arc<dyn Clock>,
) -> Result<Network, String> {
    let (tls, for_tls) = (settings.tls.clone(), Arc::clone(clock));
    let load = move || ClientTls::load(&tls, for_tls, &TlsMetrics::default());
    let loaded = tokio::task::spawn_blocking(load).await;
    let tls = loaded
        .map_err(|error| error.to_string())?
        .map_err(|error| format!("tls: {error}"))?;
    let transport = HttpTransport::builder().followed_tls(tls).build();
    let transport = transport.map_err(|error| error.to_string())?;
    let discovery = Arc::new(StaticDiscovery::new());
    Ok(Network::new(transport, discovery, Arc::clone(clock)))
}
