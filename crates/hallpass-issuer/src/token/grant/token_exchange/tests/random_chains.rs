//! Chains of exchanges by services and rules that are made up: what must hold between each token and the next.

use std::time::Duration;

use hallpass_token::TokenClaims;

use super::{Estate, NOW, client, registry, rule, subject};
use crate::clients::exchange_rule::{MAY_ACT, SubjectKind};
use crate::clients::registration::Registration;

const SERVICES: usize = 5;
const WORDS: [&str; 4] = ["a", "b", "c", "d"];

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
