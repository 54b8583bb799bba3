//! Whether more calls are denied since the last step than before it.

use std::collections::BTreeSet;

use super::acceptance::Calls;
use super::instances::Seen;
use super::record::{Action, Entry};

/// Fewer denied calls are no sign of anything.
const LEAST_DENIED: u64 = 10;
/// How much larger than before the part of denied calls may be: twice as large, and by so many in ten thousand more.
const MOST_TIMES: u128 = 2;
const MOST_MORE: u128 = 100;
const ALL: u128 = 10_000;

/// The part of some calls that was denied, and for what. Reasons for which callers had been counted before are left out: whoever took
/// the step has seen and accepted them.
struct Share {
    denied: Vec<(String, u64)>,
    calls: u64,
}

/// Why no further step is to be taken: since the last one, of which `entries` (the oldest first) have the counters, calls are denied that
/// nobody has foreseen. `now` is what the instances say.
pub(super) fn jump(entries: &[Entry], now: &[Seen]) -> Option<String> {
    let last = entries.iter().rposition(Entry::is_change)?;
    let (before, since) = entries.split_at_checked(last)?;
    let (step, after) = since.split_first()?;
    if step.action != Action::Advance {
        return None;
    }
    let confirmed = |all: &[Entry]| {
        let mut confirmed = all.iter().filter(|it| it.action == Action::Confirm);
        confirmed.next_back().map(|it| it.seen.clone())
    };
    // The one of the step itself; later ones are of those who asked again.
    let begun = after.iter().find(|it| it.action == Action::Confirm);
    let begun = begun.map_or_else(|| step.seen.clone(), |it| it.seen.clone());
    let earlier = confirmed(before).unwrap_or_default();
    let period = Calls::between([&*earlier, &*step.seen].into_iter());
    let foreseen: BTreeSet<_> = period
        .would_deny
        .keys()
        .filter_map(|who| who.rsplit_once(' '))
        .map(|(_, reason)| reason.to_owned())
        .collect();
    let was = Share::of(&period, &foreseen);
    let is = Share::of(&Calls::between([&*begun, now].into_iter()), &foreseen);
    is.has_jumped(&was).then(|| {
        let (times, calls) = (is.times(), is.calls);
        let reasons: Vec<_> = is
            .denied
            .iter()
            .map(|(reason, times)| format!("{reason} {times}"))
            .collect();
        format!(
            "{times} of {calls} calls were denied since the step to {} at {}, {} of {} before it: {}; the audit events name the callers; \
             go back, or go on all the same with --despite-denials",
            step.to,
            step.at,
            was.times(),
            was.calls,
            reasons.join(", ")
        )
    })
}

impl Share {
    fn of(calls: &Calls, foreseen: &BTreeSet<String>) -> Self {
        let is_news = |(reason, _): &(&String, &u64)| !foreseen.contains(*reason);
        let denied = calls.denied.iter().filter(is_news);
        let denied: Vec<_> = denied.map(|(it, times)| (it.clone(), *times)).collect();
        let all = denied.iter().map(|(_, times)| *times).sum::<u64>();
        Self {
            calls: calls.allowed.saturating_add(all),
            denied,
        }
    }

    fn times(&self) -> u64 {
        self.denied.iter().map(|(_, times)| times).sum()
    }

    /// Of ten thousand.
    fn part(&self) -> u128 {
        u128::from(self.times()) * ALL / u128::from(self.calls.max(1))
    }

    fn has_jumped(&self, before: &Self) -> bool {
        self.times() >= LEAST_DENIED && self.part() > MOST_TIMES * before.part() + MOST_MORE
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn seen(allowed: u64, expired: u64, missing: u64, foreseen: u64) -> Vec<Seen> {
        vec![Seen {
            instance: "i1".to_owned(),
            allowed,
            denied: BTreeMap::from([
                ("expired".to_owned(), expired),
                ("missing_token".to_owned(), missing),
            ]),
            would_deny: BTreeMap::from([("_unauthenticated missing_token".to_owned(), foreseen)]),
            ..Seen::default()
        }]
    }

    fn entry(action: Action, to: &str, seen: Vec<Seen>) -> Entry {
        Entry {
            at: "2027-01-15T08:00:00Z".to_owned(),
            by: "ann".to_owned(),
            action,
            service: "a".to_owned(),
            configuration: "a.yaml".to_owned(),
            from: None,
            to: to.to_owned(),
            accepted: Vec::new(),
            seen,
        }
    }

    /// A step to 10 %, with these denied before it and since.
    fn after(before: u64, since: [u64; 2], foreseen: u64) -> Option<String> {
        let entries = [
            entry(Action::Advance, "enforce 1 %", seen(0, 0, 0, 0)),
            entry(Action::Confirm, "enforce 1 %", seen(100, 5, 0, 0)),
            entry(
                Action::Advance,
                "enforce 10 %",
                seen(1_100, 5 + before, 0, foreseen),
            ),
            entry(
                Action::Confirm,
                "enforce 10 %",
                seen(1_100, 5 + before, 0, foreseen),
            ),
        ];
        let [expired, missing] = since;
        jump(
            &entries,
            &seen(2_100, 5 + before + expired, missing, foreseen),
        )
    }

    #[test]
    fn calls_that_are_denied_since_a_step_and_were_not_before_are_named() {
        let said = after(0, [200, 0], 0).unwrap();
        let expected = "200 of 1200 calls were denied since the step to enforce 10 % at 2027-01-15T08:00:00Z, 0 of 1000 before it: \
                        expired 200";
        assert!(said.starts_with(expected), "{said}");
        assert!(after(50, [200, 0], 0).is_some());
        assert_eq!(after(0, [9, 0], 0), None, "a few");
        assert_eq!(after(100, [150, 0], 0), None, "as before");
        assert!(after(0, [0, 200], 0).is_some());
        assert_eq!(
            after(0, [0, 200], 7),
            None,
            "they were counted, and accepted"
        );
    }

    #[test]
    fn there_is_nothing_to_compare_without_a_step_or_after_a_way_back() {
        let now = seen(10, 90, 0, 0);
        assert_eq!(jump(&[], &now), None);
        let back = [entry(Action::Back, "report", seen(0, 0, 0, 0))];
        assert_eq!(jump(&back, &now), None);
        // The first step that was ever recorded.
        let first = [entry(Action::Advance, "enforce 1 %", seen(0, 0, 0, 0))];
        assert!(jump(&first, &now).is_some());
    }
}
