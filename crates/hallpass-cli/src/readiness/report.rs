//! What the metrics of one service say about going on with a roll-out.

use std::collections::BTreeMap;

use serde::Serialize;

use super::advice::advice;
use super::exposition::{Sample, is_whole, samples};
use super::identity::{INFO, Identity};
use crate::moment;

/// What counts.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// Seconds since 1970.
    pub(crate) now: u64,
    /// A route must have been watched as long; 0: none must.
    pub(crate) window_seconds: u64,
    /// Only who came within this time counts; 0: all.
    pub(crate) counts_seconds: u64,
    /// Callers that are to be denied, and `ROUTE REASON` of handlers that are to refuse.
    pub(crate) accepted: Vec<String>,
}

/// One service.
#[derive(Debug, Serialize)]
pub(crate) struct Service {
    pub(crate) source: String,
    pub(crate) safe: bool,
    /// What speaks against going on, whatever the routes say.
    pub(crate) why_not: Vec<String>,
    pub(crate) routes: Vec<Route>,
    #[serde(skip)]
    pub(crate) identity: Identity,
}

/// One route.
#[derive(Debug, Serialize)]
pub(crate) struct Route {
    pub(crate) route: String,
    /// `off`, `report` or `enforce`.
    pub(crate) mode: String,
    /// For how many of the callers it is enforced; 0 in `off` and `report`.
    pub(crate) enforced_percent: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    pub(crate) watched_seconds: u64,
    pub(crate) allowed: u64,
    denied: u64,
    /// The same by reason, as `hallpass_verify_total` has it. The caller is not known.
    #[serde(skip)]
    pub(crate) denied_for: BTreeMap<String, u64>,
    pub(crate) would_deny: Vec<Caller>,
    /// Calls that a handler's extractor would refuse, by reason. The caller is not known, nor when they came.
    pub(crate) handlers: BTreeMap<String, u64>,
    /// The same that are not accepted, as they are said.
    #[serde(skip)]
    pub(crate) refused_by_handlers: Vec<String>,
    /// All calls that were decided about, whatever came of them.
    #[serde(skip)]
    pub(crate) calls: u64,
    /// Whether the step of the service decides about its calls; `None`: an older version, which does not say.
    #[serde(skip)]
    pub(crate) follows_service: Option<bool>,
    pub(crate) safe: bool,
    why_not: Vec<String>,
    next: String,
}

/// One who would be denied.
#[derive(Debug, Serialize)]
pub(crate) struct Caller {
    pub(crate) caller: String,
    pub(crate) reason: String,
    pub(crate) times: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<String>,
    /// Whether it came in time, and is not to be denied.
    pub(crate) counts: bool,
    pub(crate) advice: &'static str,
}

/// What was read of one route.
#[derive(Debug, Default)]
struct Read {
    mode: String,
    ratio: f64,
    since: Option<u64>,
    allowed: u64,
    denied_for: BTreeMap<String, u64>,
    times: BTreeMap<(String, String), u64>,
    last: BTreeMap<(String, String), u64>,
    handlers: BTreeMap<String, u64>,
    calls: u64,
    follows_service: Option<bool>,
}

impl Service {
    /// `None` when the document is not that of a service which verifies callers.
    pub(crate) fn read(source: &str, text: &str, terms: &Terms) -> Option<Self> {
        let mut routes = BTreeMap::<String, Read>::new();
        let mut why_not = Vec::new();
        let mut identity = Identity::default();
        for sample in samples(text, "hallpass_") {
            match sample {
                Ok(sample) if is_ours(&sample.name) => {
                    let route = routes.entry(sample.label("route").to_owned());
                    route.or_default().take(&sample);
                }
                Ok(it) if it.name == BYPASS && it.value != 0.0 => why_not.push(
                    "security.permit-all is on: nobody is judged, so nobody is counted".to_owned(),
                ),
                Ok(it) if it.name == INFO => identity.take(&it),
                Ok(_) => {}
                Err(line) => why_not.push(format!("line {line} of its metrics cannot be read")),
            }
        }
        if !is_whole(text) {
            why_not.push(CUT.to_owned());
        }
        // What was counted under another name than a route's has no mode; it may be anybody at any route.
        let (routes, others): (BTreeMap<_, _>, BTreeMap<_, _>) = routes
            .into_iter()
            .partition(|(_, read)| !read.mode.is_empty());
        why_not.extend(
            others
                .iter()
                .flat_map(|(name, it)| it.unplaced(name, terms)),
        );
        let routes: Vec<_> = routes
            .into_iter()
            .map(|(route, read)| read.judged(route, terms))
            .collect();
        (!routes.is_empty()).then(|| Self {
            source: source.to_owned(),
            safe: why_not.is_empty() && routes.iter().all(|route| route.safe),
            why_not,
            routes,
            identity,
        })
    }
}

/// Who would be denied may stand behind the cut.
const CUT: &str = "its metrics were cut short: their last line, `# EOF`, is not there";
/// Whether everything passes.
const BYPASS: &str = "hallpass_dev_bypass_enabled";
/// The route of what was counted when there were too many routes to tell them apart.
const OTHER: &str = "_other";

fn is_ours(name: &str) -> bool {
    matches!(
        name,
        "hallpass_rollout_ratio"
            | "hallpass_rollout_since_timestamp_seconds"
            | "hallpass_rollout_follows_service"
            | "hallpass_would_deny_total"
            | "hallpass_would_deny_last_timestamp_seconds"
            | "hallpass_verify_total"
            | "hallpass_extractor_refusals_total"
    )
}

/// Counters and times are whole and not negative; what is not is 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest whole number that there is"
)]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

impl Read {
    /// Who would be denied where no route of now is named: beyond the number of routes that are told apart, or by a rule of before a
    /// reload, in whose place another one holds.
    fn unplaced(&self, name: &str, terms: &Terms) -> Vec<String> {
        let callers = self.times.iter().filter_map(|(who, times)| {
            let last = self.last.get(who).copied();
            let is_told = name == OTHER || (terms.counts_seconds > 0 && last.is_some());
            let it = caller(who, *times, last, terms);
            (is_told && it.counts).then(|| {
                let (caller, reason) = (it.caller, it.reason);
                format!(
                    "{caller} would be denied at {name}, which is no route of now: {reason}, {times} times"
                )
            })
        });
        callers.collect()
    }

    fn take(&mut self, sample: &Sample) {
        let number = whole(sample.value);
        if sample.name == "hallpass_verify_total" {
            self.calls = self.calls.saturating_add(number);
        }
        let who = || {
            let (caller, reason) = (sample.label("caller"), sample.label("reason"));
            (caller.to_owned(), reason.to_owned())
        };
        match (sample.name.as_str(), sample.label("result")) {
            ("hallpass_rollout_ratio", _) => {
                self.mode = sample.label("mode").to_owned();
                self.ratio = sample.value;
            }
            ("hallpass_rollout_since_timestamp_seconds", _) => self.since = Some(number),
            ("hallpass_rollout_follows_service", _) => self.follows_service = Some(number != 0),
            ("hallpass_would_deny_total", _) => {
                self.times.insert(who(), number);
            }
            ("hallpass_would_deny_last_timestamp_seconds", _) => {
                self.last.insert(who(), number);
            }
            ("hallpass_verify_total", "allow") => self.allowed += number,
            ("hallpass_verify_total", "deny") => {
                let reason = sample.label("reason").to_owned();
                *self.denied_for.entry(reason).or_default() += number;
            }
            ("hallpass_extractor_refusals_total", "would_deny") => {
                let reason = sample.label("reason").to_owned();
                *self.handlers.entry(reason).or_default() += number;
            }
            _ => {}
        }
    }

    fn judged(self, route: String, terms: &Terms) -> Route {
        let percent = whole(self.ratio * 100.0);
        let watched = terms.now.saturating_sub(self.since.unwrap_or(terms.now));
        let mut would_deny: Vec<_> = self
            .times
            .iter()
            .map(|(who, times)| caller(who, *times, self.last.get(who).copied(), terms))
            .collect();
        would_deny.sort_by_key(|it| std::cmp::Reverse(it.times));
        let mut why_not = Vec::new();
        let is_done = percent >= 100;
        if self.mode == "off" {
            why_not.push("nothing is counted in mode off: set report first".to_owned());
        }
        let counting = would_deny.iter().filter(|it| it.counts).count();
        if counting > 0 && !is_done {
            why_not.push(format!("{counting} callers and reasons would be denied"));
        }
        let refused_by_handlers = refused(&route, &self.handlers, terms);
        if !is_done {
            why_not.extend(refused_by_handlers.iter().cloned());
        }
        if watched < terms.window_seconds && !is_done {
            why_not.push(format!(
                "watched for {watched} of {} seconds",
                terms.window_seconds
            ));
        }
        Route {
            route,
            next: next(&self.mode, percent),
            mode: self.mode,
            enforced_percent: percent,
            since: self.since.map(moment::text),
            watched_seconds: watched,
            allowed: self.allowed,
            denied: self.denied_for.values().sum(),
            denied_for: self.denied_for,
            would_deny,
            handlers: self.handlers,
            refused_by_handlers,
            calls: self.calls,
            follows_service: self.follows_service,
            safe: why_not.is_empty(),
            why_not,
        }
    }
}

/// What handlers of a route would refuse, unless it is accepted.
fn refused(route: &str, handlers: &BTreeMap<String, u64>, terms: &Terms) -> Vec<String> {
    let counts = handlers.iter().filter(|(reason, times)| {
        let is_accepted = terms
            .accepted
            .iter()
            .any(|it| it.rsplit_once(' ') == Some((route, reason.as_str())));
        **times > 0 && !is_accepted
    });
    let said = counts.map(|(reason, times)| {
        format!(
            "a handler of {route} would refuse calls: {reason}, {times} times since it was started; mend them and start it again, or accept \"{route} {reason}\""
        )
    });
    said.collect()
}

fn caller(
    (caller, reason): &(String, String),
    times: u64,
    last: Option<u64>,
    terms: &Terms,
) -> Caller {
    let age = terms.now.saturating_sub(last.unwrap_or(terms.now));
    let is_recent = terms.counts_seconds == 0 || age <= terms.counts_seconds;
    Caller {
        counts: is_recent && !terms.accepted.contains(caller),
        caller: caller.clone(),
        reason: reason.clone(),
        times,
        last: last.map(moment::text),
        advice: advice(reason),
    }
}

/// The step after this one.
fn next(mode: &str, percent: u64) -> String {
    match (mode, percent) {
        ("off", _) => "mode: report".to_owned(),
        (_, 100..) => "done".to_owned(),
        (_, percent) => {
            let step = [1, 10, 50].into_iter().find(|step| *step > percent);
            format!("mode: enforce, enforce-percent: {}", step.unwrap_or(100))
        }
    }
}

impl Service {
    /// Some lines for a reader.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = vec![self.source.clone()];
        lines.extend(self.why_not.iter().map(|it| format!("  not safe: {it}")));
        for route in &self.routes {
            route.say(&mut lines);
        }
        lines
    }
}

impl Route {
    fn say(&self, lines: &mut Vec<String>) {
        let mode = match self.enforced_percent {
            0 | 100 => self.mode.clone(),
            percent => format!("{} {percent} %", self.mode),
        };
        let since = self.since.as_deref().unwrap_or("?");
        lines.push(format!(
            "  {:<28} {mode:<13} since {since}, {} allowed, {} denied",
            self.route, self.allowed, self.denied
        ));
        for it in &self.would_deny {
            let last = it.last.as_deref().unwrap_or("?");
            let counts = if it.counts { "" } else { " (does not count)" };
            lines.push(format!(
                "    would be denied: {} {}, {} times, last {last}{counts}",
                it.caller, it.reason, it.times
            ));
            lines.push(format!("      {}", it.advice));
        }
        for (reason, times) in &self.handlers {
            lines.push(format!(
                "    a handler would refuse: {reason}, {times} times"
            ));
        }
        let verdict = match self.why_not.as_slice() {
            [] => format!("safe; next: {}", self.next),
            why_not => format!("not safe: {}", why_not.join("; ")),
        };
        lines.push(format!("    {verdict}"));
    }
}

#[cfg(test)]
mod tests;
