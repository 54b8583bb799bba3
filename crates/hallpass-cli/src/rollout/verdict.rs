//! Whether the next step may be taken.

mod placed;

use std::collections::BTreeMap;

use serde::Serialize;

use super::configured::Configured;
use super::instances::{Answer, Instance};
use super::step::Step;
use crate::readiness::Route;

/// Whether the next step may be taken, and if not, why.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Verdict {
    /// Each is a reason of its own; none: it is safe.
    pub(crate) why_not: Vec<String>,
    /// Worth knowing, and no reason against it.
    pub(crate) notes: Vec<String>,
}

/// One who would be denied, over all instances.
#[derive(Debug, Default)]
struct WouldDeny {
    times: u64,
    last: String,
    advice: &'static str,
}

impl Verdict {
    /// By what is configured and by what all instances say; `next` is the step that would be taken, none: the last one would be
    /// accepted. `watch_seconds` is for how long this one must have been watched, `allows_idle` whether it does when nobody has called.
    pub(crate) fn of(
        configured: Configured,
        next: Option<Step>,
        instances: &[Instance],
        (watch_seconds, allows_idle): (u64, bool),
    ) -> Self {
        let mut verdict = Self::default();
        let current = match configured {
            Configured::Step(step) => Some(step),
            Configured::Unclear { line } => {
                verdict.why_not.push(format!(
                    "line {line} of its configuration names no step: write off, report or enforce there"
                ));
                None
            }
        };
        let mut answers = Vec::with_capacity(instances.len());
        for instance in instances {
            match (&instance.answer, current) {
                (Err(reason), _) => {
                    let reason = format!("{} cannot be asked: {reason}", instance.url);
                    verdict.why_not.push(reason);
                }
                (Ok(answer), Some(current)) if answer.step != current => {
                    verdict.why_not.push(format!(
                        "{} is at {}, and its configuration at {current}",
                        instance.url, answer.step
                    ));
                }
                (Ok(answer), _) => answers.push((instance.url.as_str(), answer)),
            }
        }
        // Whoever only begins to count denies nobody.
        if next != Some(Step::Report) {
            verdict.watched(&answers, next, watch_seconds);
            verdict.counted(&answers, allows_idle);
        }
        // Behind the last step nobody passes any more who would be denied.
        if next.is_some_and(|next| next != Step::Report) {
            verdict.would_deny(&answers, next);
            verdict.handlers(&answers, next);
        }
        verdict.denied(&answers, next);
        verdict
    }

    /// Nothing speaks against it.
    pub(crate) const fn is_safe(&self) -> bool {
        self.why_not.is_empty()
    }

    fn watched(&mut self, answers: &[(&str, &Answer)], next: Option<Step>, watch_seconds: u64) {
        for (url, answer) in answers {
            let watched = answer.watched_seconds(next);
            if watched < watch_seconds {
                self.why_not.push(format!(
                    "{url} has been watched for {watched} of {watch_seconds} seconds"
                ));
            }
        }
    }

    /// Whether what they count can be counted on.
    fn counted(&mut self, answers: &[(&str, &Answer)], allows_idle: bool) {
        for (url, answer) in answers {
            let faults = answer.service.why_not.iter();
            self.why_not.extend(faults.map(|it| format!("{url}: {it}")));
            if answer.is_idle() && !allows_idle {
                self.why_not.push(format!(
                    "no call has come to {url} since it was started: is it an instance of this service? If nobody calls it, say `allow-idle: true`"
                ));
            }
        }
    }

    /// Calls that get a placeholder where they would be refused.
    fn handlers(&mut self, answers: &[(&str, &Answer)], next: Option<Step>) {
        for (url, answer) in answers {
            let refused = answer.affected(next).flat_map(|it| &it.refused_by_handlers);
            self.why_not
                .extend(refused.map(|it| format!("{url}: {it}")));
        }
    }

    /// Who is denied already, for a person to look at: a step that was wrong shows here.
    fn denied(&mut self, answers: &[(&str, &Answer)], next: Option<Step>) {
        let mut all = BTreeMap::<(&str, &str), u64>::new();
        for route in answers.iter().flat_map(|(_, answer)| answer.affected(next)) {
            for (reason, times) in &route.denied_for {
                *all.entry((&route.route, reason)).or_default() += times;
            }
        }
        for ((route, reason), times) in all {
            self.notes.push(format!(
                "{times} calls were denied at {route} since the instances were started: {reason}"
            ));
        }
    }

    fn would_deny(&mut self, answers: &[(&str, &Answer)], next: Option<Step>) {
        let mut all = BTreeMap::<(&str, &str, &str), WouldDeny>::new();
        let mut ignored = BTreeMap::<(&str, &str, &str), u64>::new();
        for route in answers.iter().flat_map(|(_, answer)| answer.affected(next)) {
            for it in &route.would_deny {
                let who = (it.caller.as_str(), it.reason.as_str(), route.route.as_str());
                if !it.counts {
                    *ignored.entry(who).or_default() += it.times;
                    continue;
                }
                let sum = all.entry(who).or_default();
                sum.times += it.times;
                sum.advice = it.advice;
                let last = it.last.clone().unwrap_or_default();
                sum.last = last.max(std::mem::take(&mut sum.last));
            }
        }
        for ((caller, reason, route), it) in all {
            self.why_not.push(format!(
                "{caller} would be denied at {route}: {reason}, {} times, last {}; {}",
                it.times, it.last, it.advice
            ));
        }
        for ((caller, reason, route), times) in ignored {
            self.notes.push(format!(
                "{caller} is to be denied at {route}, or came before the time that counts: {reason}, {times} times"
            ));
        }
    }
}

/// The routes that have a step of their own, with it.
pub(crate) fn others(answer: &Answer) -> impl Iterator<Item = (&Route, Step)> {
    answer.service.routes.iter().filter_map(|route| {
        let step = Step::of(&route.mode, route.enforced_percent)?;
        (step != answer.step).then_some((route, step))
    })
}

#[cfg(test)]
mod tests;
