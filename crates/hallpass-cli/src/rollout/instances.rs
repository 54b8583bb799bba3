//! What the instances of a service say of themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use hallpass::upstream::HttpTransport;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::step::Step;
use crate::readiness::{Route, Service, Terms, fetch};

/// Longest wait for the metrics of one instance, connecting included.
const LIMIT: Duration = Duration::from_secs(5);
/// And however little time is left: each is asked.
const LEAST: Duration = Duration::from_millis(500);
/// How far the clocks may be apart, where ages count.
const MOST_SKEW_SECONDS: u64 = 60;
/// So many are asked at a time.
const AT_A_TIME: usize = 32;
/// The route of requests that no rule is for: it is at the step of the service.
const NO_RULE: &str = "none";

/// One instance.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) url: String,
    pub(crate) answer: Result<Answer, String>,
}

/// What an instance says.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) step: Step,
    pub(crate) service: Service,
}

/// What an instance has counted since it started, for the change record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    pub(crate) instance: String,
    /// The step that it says it is at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
    /// Why nothing is known of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unreachable: Option<String>,
    /// The name that its process has made up for itself; empty where it does not say one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) process: String,
    #[serde(default)]
    pub(crate) allowed: u64,
    /// By reason.
    #[serde(default)]
    pub(crate) denied: BTreeMap<String, u64>,
    /// `CALLER REASON`.
    #[serde(default)]
    pub(crate) would_deny: BTreeMap<String, u64>,
}

impl Seen {
    /// Whether it was started anew since `before`, as far as both say who they were.
    pub(crate) fn is_of_other_process(&self, before: &Self) -> bool {
        let named = [&self.process, &before.process];
        named.iter().all(|it| !it.is_empty()) && self.process != before.process
    }
}

impl Answer {
    /// Nothing when this is no service that verifies its callers.
    fn read(url: &str, text: &str, terms: &Terms) -> Option<Self> {
        let service = Service::read(url, text, terms)?;
        let own = service.routes.iter().find(|route| route.route == NO_RULE)?;
        let step = Step::of(&own.mode, own.enforced_percent)?;
        Some(Self { step, service })
    }

    /// The routes whose calls are denied by the step of the service, if `next` is taken. One with a step of its own may be among them: where a
    /// rule of another table meets it, the strictest step holds. An instance that does not say which these are is taken to have no others.
    pub(crate) fn affected(&self, next: Option<Step>) -> impl Iterator<Item = &Route> {
        let is_affected = move |route: &&Route| {
            let is_there = |step| step == self.step || next.is_some_and(|next| step < next);
            let step = Step::of(&route.mode, route.enforced_percent);
            route.follows_service != Some(false) && step.is_some_and(is_there)
        };
        self.service.routes.iter().filter(is_affected)
    }

    /// Whether no call has come that it had to decide about.
    pub(crate) fn is_idle(&self) -> bool {
        self.service.routes.iter().all(|route| route.calls == 0)
    }

    /// For how long it has been at its step, by the same rules, in seconds.
    pub(crate) fn watched_seconds(&self, next: Option<Step>) -> u64 {
        let watched = self.affected(next).map(|route| route.watched_seconds);
        watched.min().unwrap_or(0)
    }
}

impl Instance {
    /// One that says this.
    pub(crate) fn read(url: String, bytes: Vec<u8>, terms: &Terms) -> Self {
        const NO_SERVICE: &str = "these are not the metrics of a service that verifies its callers";
        let text = String::from_utf8(bytes).ok();
        let answer = text.and_then(|text| Answer::read(&url, &text, terms));
        Self {
            answer: answer.ok_or_else(|| NO_SERVICE.to_owned()),
            url,
        }
    }

    pub(crate) fn step(&self) -> Option<Step> {
        self.answer.as_ref().ok().map(|answer| answer.step)
    }

    pub(crate) fn seen(&self) -> Seen {
        let mut seen = Seen {
            instance: self.url.clone(),
            ..Seen::default()
        };
        let answer = match &self.answer {
            Ok(answer) => answer,
            Err(reason) => {
                seen.unreachable = Some(reason.clone());
                return seen;
            }
        };
        seen.step = Some(answer.step.to_string());
        seen.process.clone_from(&answer.service.identity.process);
        for route in &answer.service.routes {
            seen.allowed += route.allowed;
            for (reason, times) in &route.denied_for {
                *seen.denied.entry(reason.clone()).or_default() += times;
            }
            for it in &route.would_deny {
                let who = format!("{} {}", it.caller, it.reason);
                *seen.would_deny.entry(who).or_default() += it.times;
            }
        }
        seen
    }
}

/// That the clocks are so far apart that no age counts.
fn skew(date: Option<u64>, terms: &Terms) -> Option<String> {
    let apart = date.map_or(0, |date| date.abs_diff(terms.now));
    (apart > MOST_SKEW_SECONDS && terms.window_seconds > 0)
        .then(|| format!("its clock and the one here are {apart} seconds apart"))
}

/// Asks all of them, in their order. `until`: nobody is waited for after that, if there is such a moment.
pub(crate) async fn ask(
    transport: &HttpTransport,
    urls: &[String],
    terms: &Terms,
    until: Option<Instant>,
) -> Vec<Instance> {
    let mut instances = Vec::with_capacity(urls.len());
    for some in urls.chunks(AT_A_TIME) {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let limit = left.map_or(LIMIT, |left| left.clamp(LEAST, LIMIT));
        let mut asked = JoinSet::new();
        for (number, url) in some.iter().cloned().enumerate() {
            let (transport, terms) = (transport.clone(), terms.clone());
            asked.spawn(async move {
                let instance = match fetch(transport, &url, limit).await {
                    Ok(fetched) => match skew(fetched.date, &terms) {
                        None => Instance::read(url, fetched.bytes, &terms),
                        Some(reason) => Instance {
                            answer: Err(reason),
                            url,
                        },
                    },
                    Err(reason) => Instance {
                        answer: Err(reason),
                        url,
                    },
                };
                (number, instance)
            });
        }
        let mut answered = asked.join_all().await;
        answered.sort_by_key(|(number, _)| *number);
        instances.extend(answered.into_iter().map(|(_, instance)| instance));
    }
    instances
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_apart_makes_no_age_count() {
        let mut terms = Terms {
            now: 1_000,
            window_seconds: 100,
            counts_seconds: 100,
            accepted: Vec::new(),
        };
        assert_eq!(skew(None, &terms), None);
        assert_eq!(skew(Some(940), &terms), None);
        assert!(skew(Some(1_061), &terms).unwrap().contains("61 seconds"));
        terms.window_seconds = 0;
        assert_eq!(skew(Some(1), &terms), None, "on the way back");
    }
}
