//! Who would be denied by name, while the mode lets the calls pass.
//!
//! Labels of metrics are configured names elsewhere, never anything that a caller sends. A client id is one: it stands in the
//! issuer's configuration, it is verified by the issuer's signature, and it names a program that somebody has to change before
//! verification is enforced, never a person. Subjects and unverified names never get here, and the number of names has an end.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use hallpass_token::UnixTime;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::verifier::Verified;

/// Callers that are told apart by name; further ones are [`OTHER`].
const MAX_CALLERS: usize = 200;
/// Routes that are told apart, over all reloads; further ones are [`OTHER`].
const MAX_ROUTES: usize = 500;
/// Combinations of route, reason and named caller; in further ones the caller is [`OTHER`].
const MAX_NAMED: usize = 5_000;
/// Longest name of a caller.
const MAX_NAME_BYTES: usize = 128;
/// What goes on is logged again after this time.
const AGAIN_AFTER_SECONDS: u64 = 10 * 60;

/// One of too many.
const OTHER: &str = "_other";
/// No identity was verified.
const UNAUTHENTICATED: &str = "_unauthenticated";
/// The token was good and names no client.
const NO_CLIENT: &str = "_no_client";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    route: Arc<str>,
    reason: &'static str,
    caller: Arc<str>,
}

/// Calls that pass for their mode and would be denied. Clones share the numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct WouldDeny {
    total: Family<Labels, Counter>,
    last: Family<Labels, Gauge>,
    known: Arc<Mutex<Known>>,
}

#[derive(Debug, Default)]
struct Known {
    callers: HashSet<Arc<str>>,
    routes: HashSet<Arc<str>>,
    said: HashMap<Labels, Said>,
}

/// When it was logged, in seconds, and how often it has happened since.
#[derive(Debug)]
struct Said {
    at: u64,
    unsaid: u64,
}

impl WouldDeny {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "hallpass_would_deny",
            "Calls that pass for their mode and would be denied",
            self.total.clone(),
        );
        registry.register(
            "hallpass_would_deny_last_timestamp_seconds",
            "When such a call came last",
            self.last.clone(),
        );
    }

    /// One more, which is logged unless the same was logged a short time ago.
    pub(super) fn count(
        &self,
        route: &Arc<str>,
        reason: &'static str,
        caller: Option<&Verified>,
        now: UnixTime,
    ) {
        let now = now.as_secs();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let labels = known.labels(route, reason, &name_of(caller));
        let times = known.times(&labels, now);
        drop(known);
        self.total.get_or_create(&labels).inc();
        let last = self.last.get_or_create(&labels);
        last.set(i64::try_from(now).unwrap_or(i64::MAX));
        if let Some(times) = times {
            tracing::warn!(
                caller = &*labels.caller,
                route = &*labels.route,
                reason,
                times,
                "a call passes for its mode and would be denied; said once in ten minutes, with how often it happened"
            );
        }
    }
}

impl Known {
    fn labels(&mut self, route: &Arc<str>, reason: &'static str, caller: &str) -> Labels {
        let mut labels = Labels {
            route: within(&mut self.routes, MAX_ROUTES, route),
            reason,
            caller: within(&mut self.callers, MAX_CALLERS, caller),
        };
        if !self.said.contains_key(&labels) && self.said.len() >= MAX_NAMED {
            labels.caller = OTHER.into();
        }
        labels
    }

    /// How often it happened since it was logged, this time included, if it is to be logged now.
    fn times(&mut self, labels: &Labels, now: u64) -> Option<u64> {
        let Some(said) = self.said.get_mut(labels) else {
            let first = Said { at: now, unsaid: 0 };
            self.said.insert(labels.clone(), first);
            return Some(1);
        };
        said.unsaid = said.unsaid.saturating_add(1);
        // A clock that was set back must not silence it.
        let is_due = now.abs_diff(said.at) >= AGAIN_AFTER_SECONDS;
        is_due.then(|| {
            said.at = now;
            std::mem::take(&mut said.unsaid)
        })
    }
}

/// The name, or `_other` when there are as many others already.
fn within(known: &mut HashSet<Arc<str>>, most: usize, name: &str) -> Arc<str> {
    if let Some(name) = known.get(name) {
        return Arc::clone(name);
    }
    if known.len() >= most {
        return OTHER.into();
    }
    let name = Arc::<str>::from(name);
    known.insert(Arc::clone(&name));
    name
}

/// The client, as `callers` of a rule names it; words that begin with `_` are ours.
fn name_of(caller: Option<&Verified>) -> String {
    let Some(caller) = caller else {
        return UNAUTHENTICATED.to_owned();
    };
    let Some(client) = caller.context().client_id() else {
        return NO_CLIENT.to_owned();
    };
    let client: &str = client.as_ref();
    let name = match caller.is_internal() {
        true => client.to_owned(),
        false => format!("{client}@{}", caller.issuer_name()),
    };
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    match name.len() <= MAX_NAME_BYTES && name.bytes().all(is_plain) && !name.starts_with('_') {
        true => name,
        false => OTHER.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_and_routes_and_what_is_made_of_them_have_an_end() {
        let mut known = Known::default();
        let mut labels = HashSet::new();
        for route in 0..2 * MAX_ROUTES {
            for caller in 0..2 * MAX_CALLERS {
                let route = Arc::from(format!("/r{route}"));
                let it = known.labels(&route, "scope", &format!("c{caller}"));
                known.times(&it, 1);
                labels.insert(it);
            }
        }
        let callers: HashSet<_> = labels.iter().map(|it| &it.caller).collect();
        let routes: HashSet<_> = labels.iter().map(|it| &it.route).collect();
        assert_eq!(callers.len(), MAX_CALLERS + 1);
        assert_eq!(routes.len(), MAX_ROUTES + 1);
        assert!(labels.len() <= MAX_NAMED + routes.len(), "{}", labels.len());
        assert!(known.said.len() <= MAX_NAMED + routes.len());
    }

    #[test]
    fn what_goes_on_is_said_once_in_ten_minutes_with_how_often() {
        let mut known = Known::default();
        let labels = known.labels(&Arc::from("/a"), "scope", "web");
        let said: Vec<_> = (0..1_201)
            .filter_map(|now| known.times(&labels, now))
            .collect();
        assert_eq!(said, [1, 600, 600]);
        assert_eq!(
            known.times(&labels, 0),
            Some(1),
            "a clock that was set back"
        );
        let other = known.labels(&Arc::from("/a"), "scope", "app");
        assert_eq!(known.times(&other, 0), Some(1));
    }
}
