//! Flow rules: calls a second, and calls at once.

use std::time::Duration;

use hallpass_config::Foreign;
use hallpass_upstream::{BulkheadSettings, RateBehaviour, RateSettings};

use super::super::row::{Row, at_most};
use super::fields::{OF_DASHBOARD, at, choice, is_refused, number, warn_of_strangers, whole};
use super::guard::Guard;
use super::numbers::common_divisor;

/// The keys of a flow rule.
pub(in super::super) const FLOW: &[Row] = &[
    Row::part("resource", "the client, or one method of it: see below"),
    Row::part(
        "grade",
        "`1`: calls a second; `0`: calls at once (threads there)",
    ),
    Row::part(
        "count",
        "calls of `rate`, or `bulkhead.max-concurrent` with `max-wait-ms: 0`; less than 1 lets nothing through, by either; of a number with a point the whole, but for calls that queue: these come at exactly that rate",
    ),
    Row::part(
        "controlBehavior",
        "`rate.behaviour`: `0` `reject`, `1` `warm-up`, `2` `queue`, `3` `warm-up-queue`",
    ),
    Row::part("warmUpPeriodSec", "`rate.warm-up-seconds`"),
    Row::part("maxQueueingTimeMs", "`rate.max-wait-ms`"),
    Row::part(
        "limitApp",
        "`default`; another one is a problem: it would bound the calls of one caller, and these are all our own",
    ),
    Row::part(
        "strategy",
        "`0`; `1` (related) and `2` (chain) are a problem: they would count other resources",
    ),
    Row::nothing("refResource", "is for `strategy` alone"),
    Row::part(
        "clusterMode",
        "`false`; `true` is a problem: each process counts for itself here",
    ),
    Row::nothing("clusterConfig", "is for `clusterMode` alone"),
    Row::part(
        "regex",
        "`true` is a problem: a rule is about one resource here",
    ),
    Row::nothing("id", OF_DASHBOARD),
    Row::nothing("app", OF_DASHBOARD),
    Row::nothing("ip", OF_DASHBOARD),
    Row::nothing("port", OF_DASHBOARD),
    Row::nothing("gmtCreate", OF_DASHBOARD),
    Row::nothing("gmtModified", OF_DASHBOARD),
];

/// A flow rule.
pub(super) fn read(rule: &Foreign<'_>) -> Option<Guard> {
    warn_of_strangers(rule, FLOW);
    let grade = choice(
        rule,
        "grade",
        1,
        &["0", "1"],
        "must be 0 (calls at once) or 1 (calls a second)",
    );
    let behaviour = choice(
        rule,
        "controlBehavior",
        0,
        &["0", "1", "2", "3"],
        "must be 0 (reject), 1 (warm up), 2 (queue) or 3 (both)",
    );
    let count = number(rule, "count");
    let warm_up = whole(rule, "warmUpPeriodSec", 10);
    let max_wait = whole(rule, "maxQueueingTimeMs", 500);
    let is_other = is_for_another(rule);
    let (grade, behaviour, count) = (grade?, behaviour?, count?);
    let (warm_up, max_wait) = (warm_up?, max_wait?);
    if is_other {
        return None;
    }
    match grade {
        0 => Some(at_once(rule, count)),
        _ => a_second(rule, count, behaviour, Waits { warm_up, max_wait }),
    }
}

/// The most calls of a rate.
const MOST_CALLS: u64 = 1_000_000;

/// A number from 1 to the most that can be had, which is what a larger one becomes.
fn from_one(found: &Foreign<'_>, number: u64, most: u64) -> Option<u64> {
    if number == 0 {
        found.problem("must be 1 at least: Sentinel leaves such a rule out");
        return None;
    }
    Some(at_most(found, number, most).unwrap_or(number))
}

/// How long a flow rule takes its time.
#[derive(Clone, Copy)]
struct Waits {
    warm_up: u64,
    max_wait: u64,
}

/// So many thousandths of a call at once. Less than one lets nothing through, as there: so people stop a client in an outage.
fn at_once(rule: &Foreign<'_>, count: u64) -> Guard {
    let calls = count / 1_000;
    let calls = at_most(&at(rule, "count"), calls, 100_000).unwrap_or(calls);
    match usize::try_from(calls).unwrap_or(usize::MAX) {
        0 => Guard::Rate(RateSettings::new(0, Duration::from_secs(1))),
        calls => Guard::Bulkhead(BulkheadSettings::new(calls, Duration::ZERO)),
    }
}

/// So many thousandths of a call a second.
fn a_second(rule: &Foreign<'_>, count: u64, behaviour: u64, waits: Waits) -> Option<Guard> {
    let behaviour = match behaviour {
        0 => RateBehaviour::Reject,
        1 => RateBehaviour::WarmUp,
        2 => RateBehaviour::Queue,
        _ => RateBehaviour::WarmUpQueue,
    };
    let warms_up = matches!(
        behaviour,
        RateBehaviour::WarmUp | RateBehaviour::WarmUpQueue
    );
    let queues = matches!(behaviour, RateBehaviour::Queue | RateBehaviour::WarmUpQueue);
    let Waits { warm_up, max_wait } = waits;
    let warm_up = match warms_up {
        true => from_one(&at(rule, "warmUpPeriodSec"), warm_up, 3_600)?,
        false => warm_up,
    };
    let max_wait = match queues {
        true => from_one(&at(rule, "maxQueueingTimeMs"), max_wait, 60_000)?,
        false => max_wait,
    };
    // Who queues comes at exactly that rate; else whole calls are counted in whole seconds.
    let (calls, period) = match behaviour {
        RateBehaviour::Queue => {
            let divisor = common_divisor(count, 1_000).max(1);
            (count / divisor, Duration::from_secs(1_000 / divisor))
        }
        _ => (count / 1_000, Duration::from_secs(1)),
    };
    let calls = at_most(&at(rule, "count"), calls, MOST_CALLS).unwrap_or(calls);
    let calls = u32::try_from(calls).unwrap_or(u32::MAX);
    let mut rate = RateSettings::new(calls, period);
    rate.behaviour = behaviour;
    rate.warm_up = Duration::from_secs(warm_up);
    rate.max_wait = Duration::from_millis(max_wait);
    Some(Guard::Rate(rate))
}

/// Says what a flow rule would do that is not done here.
fn is_for_another(rule: &Foreign<'_>) -> bool {
    let of_one_caller = rule.get("limitApp").filter(|found| {
        let app = found.text();
        app.is_some_and(|app| app != "default")
    });
    if let Some(found) = &of_one_caller {
        found.problem("would bound the calls of one caller alone, and calls of a client are all our own: write `default`");
    }
    let strategy = choice(
        rule,
        "strategy",
        0,
        &["0"],
        "would count the calls of other resources (1: related, 2: chain), which is not done here: write 0",
    );
    let cluster = is_refused(
        rule,
        "clusterMode",
        "would count the calls of all processes together; each counts for itself here: write false, and a share of `count`",
    );
    let regex = is_refused(
        rule,
        "regex",
        "would be about all resources that meet a pattern; a rule is about one here",
    );
    of_one_caller.is_some() || strategy.is_none() || cluster || regex
}
