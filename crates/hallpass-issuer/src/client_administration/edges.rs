//! Who may call whom with which scopes, and which of that was used.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use hallpass_token::{Audience, Scope, UnixTime};

use crate::clients::registration::GrantType;
use crate::settings::client::ClientSettings;
use crate::store::uses::KeptEdges;

/// Who may call whom with which scopes, and which of that was used, as far as running issuers have written it down.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct EdgeReport {
    /// From when on uses are noted, in seconds since 1970; `None`: no issuer has written one down yet.
    pub noted_since: Option<u64>,
    /// Every way that is registered, by client, service and scope.
    pub edges: Vec<Edge>,
    /// What could be taken away: of each client whatever was not used for so long as was asked, if uses are noted for as long.
    pub advice: Vec<EdgeAdvice>,
}

/// A way that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Edge {
    /// Who may call.
    pub client_id: String,
    /// Which service.
    pub audience: String,
    /// With which scope; empty where tokens for it have none.
    pub scope: String,
    /// For whom it may: by `exchange` for others, by `audiences` for itself.
    pub by_exchange: bool,
    /// The day of its first use, in seconds since 1970; `None`: never, or not in the last 400 days.
    pub first_used: Option<u64>,
    /// The day of its last use.
    pub last_used: Option<u64>,
}

/// What a client could be registered for instead: the keys that would change.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct EdgeAdvice {
    /// Whose registration.
    pub client_id: String,
    /// Where it stands: the place in the configuration, or the store where it is empty.
    pub written_at: String,
    /// The services that it has used.
    pub audiences: Vec<String>,
    /// The scopes that it has used at these.
    pub scopes: Vec<String>,
    /// Those of `calls` that it has used, each with the scopes that it has used there.
    pub calls: Vec<(String, Vec<String>)>,
    /// What is not among them any more.
    pub taken_away: Vec<String>,
}

impl EdgeReport {
    /// Of `clients`, and of those that were registered long ago enough at `now` the advice.
    pub(super) fn of(
        clients: &[(&ClientSettings, Option<u64>)],
        kept: &KeptEdges,
        (now, unused_for): (UnixTime, Duration),
    ) -> Self {
        let used: HashMap<(&str, &str, &str), _> = kept
            .edges
            .iter()
            .map(|it| {
                let key = (
                    it.client_id.as_str(),
                    it.audience.as_str(),
                    it.scope.as_str(),
                );
                (key, (it.first_used, it.last_used))
            })
            .collect();
        let limit = now.as_secs().saturating_sub(unused_for.as_secs());
        let is_noted_long = kept.since.is_some_and(|since| since.as_secs() <= limit);
        let (mut edges, mut advice) = (Vec::new(), Vec::new());
        for (client, created_at) in clients {
            let own: Vec<_> = registered(client)
                .into_iter()
                .map(|(audience, scope, by_exchange)| {
                    let key = (client.client_id.as_str(), audience.as_str(), scope.as_str());
                    let found = used.get(&key);
                    Edge {
                        client_id: client.client_id.to_string(),
                        first_used: found.map(|(first, _)| first.as_secs()),
                        last_used: found.map(|(_, last)| last.as_secs()),
                        audience,
                        scope,
                        by_exchange,
                    }
                })
                .collect();
            let is_old = created_at.is_none_or(|created_at| created_at <= limit);
            if is_noted_long && is_old {
                advice.extend(EdgeAdvice::of(client, &own, limit));
            }
            edges.extend(own);
        }
        Self {
            noted_since: kept.since.map(UnixTime::as_secs),
            edges,
            advice,
        }
    }
}

impl EdgeAdvice {
    /// What `client` has used since `limit`, in place of what it is registered for; `None` where it has used all of it, or exchanges alone.
    fn of(client: &ClientSettings, edges: &[Edge], limit: u64) -> Option<Self> {
        let is_used = |edge: &&Edge| edge.last_used.is_some_and(|last| last >= limit);
        let own = || edges.iter().filter(|edge| !edge.by_exchange);
        let used: Vec<_> = own().filter(is_used).collect();
        let has = |audience: &Audience| used.iter().any(|edge| edge.audience == audience.as_str());
        let (audiences, unused): (Vec<_>, Vec<_>) =
            client.audiences.iter().partition(|audience| has(audience));
        // What a client may ask for at one of `calls` is said there.
        let is_plain = |edge: &&&Edge| audiences.iter().any(|it| it.as_str() == edge.audience);
        let scopes: BTreeSet<_> = used
            .iter()
            .filter(is_plain)
            .map(|edge| edge.scope.as_str())
            .collect();
        let mut taken_away: Vec<_> = unused
            .iter()
            .map(|name| format!("audience {name}"))
            .collect();
        let without = client.scope.iter().filter(|word| !scopes.contains(word));
        taken_away.extend(without.map(|word| format!("scope {word}")));
        let mut calls = Vec::new();
        for call in &client.calls {
            if !has(&call.audience) {
                taken_away.push(format!("call {}", call.audience));
                continue;
            }
            let is_used = |word: &str| {
                let mut used = used.iter();
                used.any(|edge| edge.audience == call.audience.as_str() && edge.scope == word)
            };
            let (kept, without): (Vec<_>, Vec<_>) =
                call.scope.iter().partition(|word| is_used(word));
            let gone = without
                .iter()
                .map(|word| format!("scope {word} of call {}", call.audience));
            taken_away.extend(gone);
            let kept = kept.into_iter().map(str::to_owned).collect();
            calls.push((call.audience.to_string(), kept));
        }
        (!taken_away.is_empty()).then(|| Self {
            client_id: client.client_id.to_string(),
            written_at: client.written_at.clone(),
            audiences: audiences.into_iter().map(ToString::to_string).collect(),
            calls,
            scopes: client
                .scope
                .iter()
                .filter(|word| scopes.contains(word))
                .map(str::to_owned)
                .collect(),
            taken_away,
        })
    }
}

/// Each service and scope that a client may have tokens for, and whether by an exchange alone.
fn registered(client: &ClientSettings) -> Vec<(String, String, bool)> {
    let mut edges: BTreeMap<(String, String), bool> = BTreeMap::new();
    let mut add = |audience: &Audience, scope: &Scope, by_exchange: bool| {
        let none = scope.is_empty().then_some("");
        for word in scope.iter().chain(none) {
            let edge = (audience.to_string(), word.to_owned());
            let known = edges.entry(edge).or_insert(by_exchange);
            *known &= by_exchange;
        }
    };
    if client.grant_types.contains(GrantType::ClientCredentials) {
        for audience in &client.audiences {
            add(audience, &client.scope, false);
        }
        for call in &client.calls {
            add(&call.audience, &call.scope, false);
        }
    }
    for rule in &client.exchange {
        let mapped = rule.scope_mapping.iter().map(|(_, ours)| ours.as_str());
        let all = rule.scope.iter().chain(mapped);
        // Too long together they were refused when they were read.
        let scope = Scope::from_words(all).unwrap_or_else(|_| rule.scope.clone());
        for audience in &rule.targets {
            add(audience, &scope, true);
        }
    }
    edges
        .into_iter()
        .map(|((audience, scope), by_exchange)| (audience, scope, by_exchange))
        .collect()
}
