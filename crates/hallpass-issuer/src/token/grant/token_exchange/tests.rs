use std::time::Duration;

use hallpass_token::{
    Algorithm, Audience, Issuer, RevocationList, Scope, SigningKey, TokenClaims, TokenType,
    UnixTime, sign_as,
};
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};

use super::*;
use crate::clients::authentication::Authentication;
use crate::clients::exchange_rule::{ExchangeRule, MAY_ACT, SubjectKind};
use crate::clients::registration::{GrantType, Registration};
use crate::clients::registry::{ClientMetrics, Registry};
use crate::keys::record::{KeyOrigin, KeyRecord, KeyState};
use crate::keys::ring::KeyRing;
use crate::token::attempt::Attempt;
use crate::token::possession::Possession;
use crate::token::token_id;
use crate::token_shapes::TokenShapes;
use crate::trusted_issuers::TrustedIssuers;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const SERVICES: usize = 5;
const WORDS: [&str; 4] = ["a", "b", "c", "d"];

/// An issuer's state, without sockets.
struct Estate {
    registry: Registry,
    ring: KeyRing,
    key: SigningKey,
}

impl Estate {
    fn of(clients: Vec<Registration>) -> Self {
        let key = SigningKey::generate(Algorithm::EdDsa).unwrap();
        let record = KeyRecord::of(&key, KeyState::Signing, KeyOrigin::Generated, NOW).unwrap();
        let shapes = TokenShapes::new(&[]);
        let ring = KeyRing::new(&[record], Algorithm::EdDsa, Duration::ZERO, shapes).unwrap();
        Self {
            registry: registry(clients),
            ring,
            key,
        }
    }

    fn sign(&self, claims: &TokenClaims) -> String {
        let now = claims.issued_at.unwrap_or(NOW);
        let token = sign_as(claims, &self.key, TokenType::AccessToken, now);
        token.unwrap().expose().to_owned()
    }

    /// What `client` gets for `token` at `now`; `query` goes behind the usual parameters.
    fn exchange(
        &self,
        (registry, client): (&Registry, &str),
        token: &str,
        query: &str,
        now: UnixTime,
    ) -> Result<TokenClaims, Refusal> {
        let body = format!(
            "grant_type={}&client_id=x&client_secret=y&subject_token={token}&subject_token_type={}{query}",
            GrantType::TokenExchange.as_str(),
            TOKEN_TYPES[0],
        );
        let mut headers = HeaderMap::new();
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        headers.insert(CONTENT_TYPE, form);
        let request = TokenRequest::parse(&headers, body.as_bytes())?;
        let issuer = Issuer::internal();
        let client = registry.find(client).unwrap();
        let asked = Asked {
            issuer: &issuer,
            registry,
            trusted: &TrustedIssuers::default(),
            family: None,
            standing_key: None,
            brought: None,
            client,
            possession: Possession::default(),
            request: &request,
            attempt: Attempt {
                source: None,
                now,
                monotonic: Duration::ZERO,
            },
        };
        let held = Held {
            keys: self.ring.at(now),
            revoked: &RevocationList::default(),
        };
        let entitlement = grant(asked, held)?;
        let id = token_id::next().unwrap();
        Ok(entitlement.into_claims(&issuer, client, id, now))
    }
}

fn registry(clients: Vec<Registration>) -> Registry {
    Registry::build(clients, None, &ClientMetrics::default()).unwrap()
}

fn client(id: &str, exchange: Vec<ExchangeRule>) -> Registration {
    Registration {
        client_id: id.parse().unwrap(),
        scope: Scope::empty(),
        audiences: Vec::new(),
        grants: GrantType::ALL.into_iter().collect(),
        token_life: Duration::from_secs(600),
        refresh_life: Duration::from_secs(60),
        is_dpop_bound: false,
        exchange,
        authentication: Authentication::by_secrets(Vec::new()),
    }
}

fn rule(kinds: &[SubjectKind], targets: &[&str], scope: &str) -> ExchangeRule {
    let targets = targets.iter().map(|target| target.parse().unwrap());
    ExchangeRule {
        subject_kinds: kinds.to_vec(),
        targets: targets.collect(),
        scope: scope.parse().unwrap(),
        ..ExchangeRule::new()
    }
}

fn subject(name: &str, client: &str, audience: &str, scope: &str, life: u64) -> TokenClaims {
    let end = NOW.saturating_add(Duration::from_secs(life));
    let audience: Audience = audience.parse().unwrap();
    let mut claims = TokenClaims::new(Issuer::internal(), name.parse().unwrap(), audience, end);
    claims.client_id = Some(client.parse().unwrap());
    claims.scope = scope.parse().unwrap();
    claims.issued_at = Some(NOW);
    claims
}

/// Numbers that look random and are the same in each run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        usize::try_from((z ^ (z >> 31)) >> 1).unwrap() % sides
    }

    fn words(&mut self) -> String {
        let words: Vec<_> = WORDS.iter().filter(|_| self.roll(3) > 0).copied().collect();
        words.join(" ")
    }

    fn service(&mut self) -> String {
        format!("s{}", self.roll(SERVICES))
    }
}

/// Services that may exchange something, each something else.
fn clients(dice: &mut Dice) -> Vec<Registration> {
    let kinds = [
        &[SubjectKind::User][..],
        &[SubjectKind::Service],
        &[SubjectKind::User, SubjectKind::Service],
    ];
    let services = (0..SERVICES).map(|n| {
        let mut rules: Vec<_> = (0..2)
            .map(|_| {
                let (one, other) = (dice.service(), dice.service());
                rule(kinds[dice.roll(3)], &[&one, &other], &dice.words())
            })
            .collect();
        rules[0].subject_audiences = vec![dice.service().parse().unwrap()];
        let mut service = client(&format!("s{n}"), rules);
        service.token_life = Duration::from_secs(30 + dice.roll(900) as u64);
        service
    });
    services.collect()
}

/// What must hold between a token and the one that was made of it.
fn check_hop(before: &TokenClaims, after: &TokenClaims, by: &Registration, first: &TokenClaims) {
    assert_eq!(after.subject, first.subject);
    assert!(after.expires_at <= before.expires_at && after.expires_at <= first.expires_at);
    assert!(before.scope.contains_all(&after.scope) && first.scope.contains_all(&after.scope));
    let actor = after.actor.as_ref().unwrap();
    assert_eq!(actor.subject.as_str(), by.client_id.as_str());
    assert_eq!(actor.actor.as_deref(), before.actor.as_ref());
    assert!(actor.depth() <= 4);
    assert_eq!(SubjectKind::of(before), SubjectKind::of(after));
    assert_eq!(before.extra.get(MAY_ACT), after.extra.get(MAY_ACT));
    let [target] = &after.audience[..] else {
        panic!("one audience")
    };
    let kind = SubjectKind::of(before);
    let allowed = by.exchange.iter().filter(|rule| {
        let audience = &before.audience[0];
        rule.targets.contains(target)
            && rule.allows_subject(kind)
            && (audience.as_str() == by.client_id.as_str()
                || rule.subject_audiences.contains(audience))
    });
    let scopes: Vec<_> = allowed.map(|rule| &rule.scope).collect();
    let is_allowed = |word: &str| scopes.iter().any(|scope| scope.contains(word));
    assert!(!scopes.is_empty() && after.scope.iter().all(is_allowed));
}

#[test]
fn ten_thousand_random_chains_gain_no_scope_and_no_life_and_lose_no_actor() {
    let mut dice = Dice(8693);
    let (mut hops, mut deepest) = (0, 0);
    for _estate in 0..20 {
        let seed = Dice(dice.roll(usize::MAX) as u64);
        let estate = Estate::of(clients(&mut Dice(seed.0)));
        let registrations = clients(&mut Dice(seed.0));
        let gone = dice.roll(SERVICES);
        let mut fewer = clients(&mut Dice(seed.0));
        let gone = fewer.remove(gone).client_id.to_string();
        let fewer = registry(fewer);
        for _chain in 0..500 {
            let first = first_of_chain(&mut dice);
            let (mut before, mut now) = (first.clone(), NOW);
            for _hop in 0..7 {
                now = now.saturating_add(Duration::from_secs(dice.roll(60) as u64));
                let (by, target, scope) = (dice.roll(SERVICES), dice.service(), dice.words());
                let by = match dice.roll(4) {
                    0 => &registrations[by],
                    _ => registrations
                        .iter()
                        .find(|it| it.client_id.as_str() == before.audience[0].as_str())
                        .unwrap(),
                };
                let id = by.client_id.as_str();
                let query = match scope.is_empty() {
                    true => format!("&audience={target}"),
                    false => format!("&audience={target}&scope={}", scope.replace(' ', "+")),
                };
                let token = estate.sign(&before);
                let acts = before.actor.as_ref().map(|it| it.subject.as_str());
                if id != gone && (acts == Some(&gone) || before.subject.as_str() == gone) {
                    let refused = estate.exchange((&fewer, id), &token, &query, now);
                    assert!(refused.is_err(), "{gone} is gone: {before:?}");
                }
                match estate.exchange((&estate.registry, id), &token, &query, now) {
                    Ok(after) => {
                        check_hop(&before, &after, by, &first);
                        hops += 1;
                        deepest = deepest.max(after.actor.as_ref().unwrap().depth());
                        before = after;
                    }
                    Err(_) if before.expires_at <= now => break,
                    Err(_) => {}
                }
            }
        }
    }
    assert!(hops > 5_000 && deepest == 4, "{hops} hops, {deepest} deep");
}

fn first_of_chain(dice: &mut Dice) -> TokenClaims {
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
        let may_act = serde_json::json!({ "iss": "internal", "sub": dice.service() });
        first.extra.insert(MAY_ACT.to_owned(), may_act);
    }
    first
}

/// `s0` may pass users on to `s1`, and `s1` on to `s0`.
fn two_services() -> Vec<Registration> {
    let users = |target| vec![rule(&[SubjectKind::User], &[target], "a b")];
    vec![client("s0", users("s1")), client("s1", users("s0"))]
}

#[test]
fn a_chain_of_a_hundred_exchanges_never_passes_the_end_of_the_first_token() {
    let estate = Estate::of(two_services());
    let first = subject("alice", "web", "s0", "a b", 900);
    let (mut token, mut now, mut exchanges) = (first.clone(), NOW, 0);
    while exchanges < 100 {
        let by = token.audience[0].to_string();
        now = now.saturating_add(Duration::from_secs(5));
        match estate.exchange((&estate.registry, &by), &estate.sign(&token), "", now) {
            Ok(next) => {
                assert!(next.expires_at <= first.expires_at);
                exchanges += 1;
                token = next;
            }
            // Four actors are the most: go on from the first token, as long as it lives.
            Err(refusal) => {
                assert_eq!(refusal, Refusal::TooManyActors);
                token = first.clone();
            }
        }
    }
    let end = first.expires_at;
    let by = token.audience[0].to_string();
    let refused = estate.exchange((&estate.registry, &by), &estate.sign(&token), "", end);
    assert!(matches!(
        refused,
        Err(Refusal::ExpiredSubjectToken | Refusal::TooManyActors)
    ));
    let refused = estate.exchange((&estate.registry, "s0"), &estate.sign(&first), "", end);
    assert_eq!(refused, Err(Refusal::ExpiredSubjectToken));
}
