//! Chains of exchanges that are made up, by services, rules and other issuers that are made up too: what must hold between each token and the
//! next.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hallpass_clock::{Clock, ManualClock};
use hallpass_token::{Actor, Algorithm, Issuer, JwkSet, SigningKey, TokenClaims};
use serde_json::json;
use tempfile::TempDir;

use super::dice::{Dice, SERVICES, TRUSTED, issuer_of};
use super::{Estate, NOW, client, registry, signed, subject};
use crate::clients::exchange_rule::{
    ExchangeRule, MAY_ACT, SUBJECT_ID, SubjectKind, subject_id, subject_issuer,
};
use crate::clients::registration::Registration;
use crate::http::public_urls::PublicUrls;
use crate::settings::trusted_issuer::{KeyPlace, TrustedIssuerSettings};
use crate::token::refusal::Refusal;
use crate::trusted_issuers::{Trust, TrustedIssuers};

/// Services that may exchange something, each something else.
fn clients(dice: &mut Dice) -> Vec<Registration> {
    let services = (0..SERVICES).map(|n| {
        let rules = (0..4).map(|_| dice.rule()).collect();
        let mut service = client(&format!("s{n}"), rules);
        service.token_life = Duration::from_secs(30 + dice.roll(900) as u64);
        service
    });
    services.collect()
}

/// Who has signed a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Ours,
    Trusted(usize),
    /// One that is not trusted.
    Stranger,
    /// The other trusted one, in the name of this one.
    Forged(usize),
}

/// The keys of the other issuers; the last is the stranger's.
struct Others {
    keys: Vec<SigningKey>,
    trusted: TrustedIssuers,
    _folder: TempDir,
}

impl Others {
    fn new(estate: &Estate) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let make = |_| SigningKey::generate(Algorithm::EdDsa).unwrap();
        let keys: Vec<_> = (0..=TRUSTED.len()).map(make).collect();
        let trusted = TRUSTED.iter().zip(&keys).map(|(name, key)| {
            let file = folder.path().join(name);
            std::fs::write(&file, JwkSet::new([key.public_jwk()]).to_json().to_string()).unwrap();
            let mut settings = TrustedIssuerSettings::new(*name, issuer_of(name));
            settings.keys = KeyPlace::File(file);
            settings
        });
        let trusted: Vec<_> = trusted.collect();
        let address = "127.0.0.1:9000".parse().unwrap();
        let urls = PublicUrls::new(&Issuer::internal(), None, "http", address).unwrap();
        let now = UNIX_EPOCH + Duration::from_secs(NOW.as_secs());
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(now));
        let trust = Trust::default();
        let prepared = trust.prepare(&trusted, &urls, &clock);
        let trusted = estate.runtime.block_on(prepared).unwrap();
        Self {
            keys,
            trusted,
            _folder: folder,
        }
    }

    fn sign(&self, estate: &Estate, claims: &TokenClaims, origin: Origin) -> String {
        let key = match origin {
            Origin::Ours => &estate.key,
            Origin::Trusted(n) => &self.keys[n],
            Origin::Stranger => &self.keys[TRUSTED.len()],
            Origin::Forged(n) => &self.keys[(n + 1) % TRUSTED.len()],
        };
        signed(claims, key)
    }
}

/// The first token of a chain.
fn first_of_chain(dice: &mut Dice) -> (TokenClaims, Origin) {
    let origin = match dice.roll(16) {
        0 => Origin::Stranger,
        1 => Origin::Forged(dice.roll(TRUSTED.len())),
        2..8 => Origin::Trusted(dice.roll(TRUSTED.len())),
        _ => Origin::Ours,
    };
    let (audience, scope) = (dice.service(), dice.words());
    let life = 1 + dice.roll(900) as u64;
    let mut first = match dice.roll(2) {
        0 => subject("alice", "web", &audience, &scope, life),
        _ => {
            let service = dice.service();
            subject(&service, &service, &audience, &scope, life)
        }
    };
    if dice.roll(8) == 0 {
        let may_act = json!({ "iss": "internal", "sub": dice.service() });
        first.extra.insert(MAY_ACT.to_owned(), may_act);
    }
    if origin == Origin::Ours {
        return (first, origin);
    }
    first.issuer = match origin {
        Origin::Trusted(n) | Origin::Forged(n) => issuer_of(TRUSTED[n]),
        _ => issuer_of("stranger"),
    };
    if dice.roll(2) == 0 {
        first.audience = vec!["internal".parse().unwrap()];
    }
    if dice.roll(3) == 0 {
        let mut actor = Actor::new(dice.service().parse().unwrap());
        actor.issuer = match dice.roll(4) {
            0 => None,
            1 => Some(first.issuer.clone()),
            2 => Some(Issuer::internal()),
            _ => Some(issuer_of("third")),
        };
        if dice.roll(2) == 0 {
            actor.actor = Some(Box::new(Actor::new("gateway".parse().unwrap())));
        }
        first.actor = Some(actor);
    }
    (first, origin)
}

/// The same actors, as a token of ours must call them: those of another issuer by whose they are.
fn named(actor: &Actor, origin: Origin) -> Actor {
    let Origin::Trusted(n) = origin else {
        return actor.clone();
    };
    let mut named = actor.clone();
    named.issuer.get_or_insert_with(|| issuer_of(TRUSTED[n]));
    named.actor = actor
        .actor
        .as_ref()
        .map(|it| Box::new(self::named(it, origin)));
    named
}

/// Those of the rules of `by` that are about this token, and about tokens for this target.
fn allowed<'r>(
    before: &TokenClaims,
    after: &TokenClaims,
    by: &'r Registration,
) -> Vec<&'r ExchangeRule> {
    let (audience, target) = (&before.audience[0], &after.audience[0]);
    let is_ours = before.issuer == Issuer::internal();
    let usual = match is_ours {
        true => by.client_id.as_str(),
        false => "internal",
    };
    let kind = SubjectKind::of(before);
    let fits = |rule: &&ExchangeRule| {
        let of = rule.subject_issuer.as_ref();
        (of == Some(&before.issuer) || is_ours && of.is_none())
            && (audience.as_str() == usual || rule.subject_audiences.contains(audience))
            && rule.targets.contains(target)
            && rule.allows_subject(kind)
    };
    by.exchange.iter().filter(fits).collect()
}

/// What must hold between a token and the one that was made of it.
fn check_hop(
    (before, origin): (&TokenClaims, Origin),
    after: &TokenClaims,
    by: &Registration,
    first: &TokenClaims,
) {
    assert_eq!(
        (&after.issuer, after.audience.len()),
        (&Issuer::internal(), 1)
    );
    assert!(after.expires_at <= before.expires_at && after.expires_at <= first.expires_at);
    let actor = after.actor.as_ref().unwrap();
    assert_eq!(actor.subject.as_str(), by.client_id.as_str());
    let acted = before.actor.as_ref().map(|actor| named(actor, origin));
    assert_eq!(actor.actor.as_deref(), acted.as_ref());
    assert!(actor.issuer.is_none() && actor.depth() <= 4);
    assert_eq!(SubjectKind::of(before), SubjectKind::of(after));
    assert_eq!(before.extra.get(MAY_ACT), after.extra.get(MAY_ACT));
    let (name, id) = match origin {
        Origin::Trusted(n) => {
            let name = format!("{}|{}", TRUSTED[n], before.subject);
            (name, Some(subject_id(&before.issuer, &before.subject)))
        }
        _ => {
            let id = before.extra.get(SUBJECT_ID).cloned();
            (before.subject.to_string(), id)
        }
    };
    assert_eq!(after.subject.as_str(), name);
    assert_eq!(after.extra.get(SUBJECT_ID), id.as_ref());
    let rules = allowed(before, after, by);
    assert!(!rules.is_empty(), "{before:?} {after:?}");
    for word in after.scope.iter() {
        let is_same = |rule: &&ExchangeRule| rule.scope.contains(word);
        let is_mapped = |rule: &&ExchangeRule| {
            let mut mapping = rule.scope_mapping.iter();
            mapping.any(|(from, to)| before.scope.contains_all(from) && to.contains(word))
        };
        let has = before.scope.contains(word) && rules.iter().any(is_same);
        let stands_for_one = origin != Origin::Ours && rules.iter().any(is_mapped);
        assert!(has || stands_for_one, "{word}: {before:?} {after:?}");
    }
}

/// Counts of what happened, so that none of it is rare.
#[derive(Debug, Default)]
struct Happened {
    hops: usize,
    foreign: usize,
    foreign_again: usize,
    mapped: usize,
    deepest: usize,
    refused_pairs: usize,
    refused_strangers: usize,
}

#[test]
fn ten_thousand_random_chains_gain_no_scope_and_no_life_and_lose_no_actor() {
    let mut dice = Dice(8693);
    let mut happened = Happened::default();
    for _estate in 0..20 {
        let seed = dice.roll(usize::MAX) as u64;
        let estate = Estate::of(clients(&mut Dice(seed)));
        let others = Others::new(&estate);
        let services = Services::new(seed, &mut dice);
        for _chain in 0..500 {
            chain(&estate, &others, &services, &mut dice, &mut happened);
        }
    }
    let Happened {
        hops,
        foreign,
        foreign_again,
        mapped,
        deepest,
        refused_pairs,
        refused_strangers,
    } = happened;
    assert!(hops > 5_000 && deepest == 4, "{happened:?}");
    assert!(
        foreign > 500 && foreign_again > 200 && mapped > 50,
        "{happened:?}"
    );
    assert!(
        refused_pairs > 500 && refused_strangers > 500,
        "{happened:?}"
    );
}

/// Those of an estate, and what is left when one of them has gone.
struct Services {
    all: Vec<Registration>,
    gone: String,
    left: crate::clients::registry::Registry,
}

impl Services {
    fn new(seed: u64, dice: &mut Dice) -> Self {
        let mut left = clients(&mut Dice(seed));
        let gone = left.remove(dice.roll(SERVICES)).client_id.to_string();
        Self {
            all: clients(&mut Dice(seed)),
            gone,
            left: registry(left),
        }
    }

    /// Whether the token says that the one who has gone acts, or is its subject.
    fn is_of_gone(&self, claims: &TokenClaims, origin: Origin) -> bool {
        let is_here = |issuer: Option<&Issuer>| match origin {
            Origin::Ours => issuer.is_none(),
            _ => issuer == Some(&Issuer::internal()),
        };
        let actor = claims.actor.as_ref();
        let acts =
            actor.is_some_and(|it| it.subject.as_str() == self.gone && is_here(it.issuer.as_ref()));
        acts || origin == Origin::Ours && claims.subject.as_str() == self.gone
    }
}

fn chain(
    estate: &Estate,
    others: &Others,
    services: &Services,
    dice: &mut Dice,
    happened: &mut Happened,
) {
    let (first, mut origin) = first_of_chain(dice);
    let (mut before, mut now) = (first.clone(), NOW);
    for hop in 0..7 {
        now = now.saturating_add(Duration::from_secs(dice.roll(60) as u64));
        let (by, target, scope) = (dice.roll(SERVICES), dice.service(), dice.words());
        let is_for = |it: &&Registration| it.client_id.as_str() == before.audience[0].as_str();
        let addressee = services.all.iter().find(is_for);
        let by = match dice.roll(4) {
            0 => &services.all[by],
            _ => addressee.unwrap_or(&services.all[by]),
        };
        let id = by.client_id.as_str();
        let query = match scope.is_empty() {
            true => format!("&audience={target}"),
            false => format!("&audience={target}&scope={}", scope.replace(' ', "+")),
        };
        let token = others.sign(estate, &before, origin);
        let trusted = &others.trusted;
        if id != services.gone && services.is_of_gone(&before, origin) {
            let left = (&services.left, id, trusted);
            let refused = estate.exchange(left, &token, &query, now);
            assert!(refused.is_err(), "{} is gone: {before:?}", services.gone);
        }
        if subject_issuer(&before.extra).is_some() {
            let nobody = (&estate.registry, id, &TrustedIssuers::default());
            let refused = estate.exchange(nobody, &token, &query, now);
            assert!(refused.is_err(), "nobody is believed: {before:?}");
        }
        let exchanged = estate.exchange((&estate.registry, id, trusted), &token, &query, now);
        match origin {
            Origin::Stranger | Origin::Forged(_) => {
                assert!(exchanged.is_err(), "{origin:?}: {before:?}");
                happened.refused_strangers += 1;
                if hop > 0 {
                    return;
                }
            }
            Origin::Trusted(_) => {
                let mut rules = by.exchange.iter();
                if !rules.any(|rule| rule.subject_issuer.as_ref() == Some(&before.issuer)) {
                    assert_eq!(exchanged, Err(Refusal::UntrustedSubjectIssuer));
                    happened.refused_pairs += 1;
                }
            }
            Origin::Ours => {}
        }
        match exchanged {
            Ok(after) => {
                check_hop((&before, origin), &after, by, &first);
                happened.note(&before, origin, &after);
                (before, origin) = (after, Origin::Ours);
            }
            Err(_) if before.expires_at <= now => break,
            Err(_) => {}
        }
    }
}

impl Happened {
    fn note(&mut self, before: &TokenClaims, origin: Origin, after: &TokenClaims) {
        self.hops += 1;
        self.foreign += usize::from(origin != Origin::Ours);
        self.foreign_again += usize::from(subject_issuer(&before.extra).is_some());
        self.mapped += usize::from(!before.scope.contains_all(&after.scope));
        let depth = after.actor.as_ref().map_or(0, Actor::depth);
        self.deepest = self.deepest.max(depth);
    }
}
