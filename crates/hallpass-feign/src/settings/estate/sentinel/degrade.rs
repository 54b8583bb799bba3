//! Degrade rules: circuit breakers.

use hallpass_config::{Adopted, Foreign, Section};
use hallpass_upstream::BreakerSettings;

use super::super::row::{Row, at_most};
use super::fields::{OF_DASHBOARD, at, choice, is_refused, number, warn_of_strangers, whole};
use super::numbers::percent;

/// The keys of a degrade rule.
pub(in super::super) const DEGRADE: &[Row] = &[
    Row::part("resource", "the client, or one method of it: see below"),
    Row::part(
        "grade",
        "`0`: slow calls, and failures do not count; `1`: share of failed calls; `2`: number of failed calls",
    ),
    Row::part(
        "count",
        "`slow-call-ms`, or `failure-rate-percent` (`0.5` is 50; the nearest whole percent), or `failures` (one more: Sentinel wants more than `count`)",
    ),
    Row::part(
        "slowRatioThreshold",
        "`slow-call-rate-percent`: `0.6` is 60; the nearest whole percent",
    ),
    Row::part(
        "timeWindow",
        "`open-ms`; seconds there. Then `half-open-calls: 1`",
    ),
    Row::part("minRequestAmount", "`minimum-calls`"),
    Row::part(
        "statIntervalMs",
        "`window-seconds`, with `window-type: time`; the next whole second",
    ),
    Row::nothing("limitApp", "is not looked at by degrade rules there either"),
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

/// A degrade rule. `shown` is the section of the client, in which the breaker is shown.
pub(super) fn read(rule: &Foreign<'_>, shown: &Section<'_>) -> Option<BreakerSettings> {
    warn_of_strangers(rule, DEGRADE);
    let mut breaker = Adopted::default();
    let kind = ["0", "1", "2"];
    let grade = choice(
        rule,
        "grade",
        0,
        &kind,
        "must be 0 (slow calls), 1 (share of failures) or 2 (number of failures)",
    );
    let count = number(rule, "count");
    let minimum = whole(rule, "minRequestAmount", 5);
    let opens_for = whole(rule, "timeWindow", 0);
    let interval = whole(rule, "statIntervalMs", 1_000);
    let is_regex = is_refused(
        rule,
        "regex",
        "would be about all resources that meet a pattern; a rule is about one here",
    );
    let (grade, count, minimum) = (grade?, count?, minimum?);
    let (opens_for, interval) = (opens_for?, interval?);
    if is_regex {
        return None;
    }
    let at = |key: &str| at(rule, key);
    if opens_for == 0 {
        at("timeWindow").problem(
            "must be a whole number of seconds, 1 at least: Sentinel leaves such a rule out",
        );
        return None;
    }
    if interval == 0 {
        at("statIntervalMs").problem("must be 1 at least: Sentinel leaves such a rule out");
        return None;
    }
    if interval % 1_000 != 0 {
        at("statIntervalMs").warn("is whole seconds here: the next one counts");
    }
    let mut take = |key: &str, value: u64, from: &str| put(key, value, &at(from), &mut breaker);
    take("window-seconds", interval.div_ceil(1_000), "statIntervalMs");
    take("open-ms", opens_for.saturating_mul(1_000), "timeWindow");
    take("half-open-calls", 1, "timeWindow");
    breaker.put("window-type", "time", &at("statIntervalMs"));
    let enough = thresholds(rule, grade, count, &mut breaker)?.max(minimum);
    put(
        "minimum-calls",
        enough,
        &at("minRequestAmount"),
        &mut breaker,
    );
    let section = shown.section("service").section("breaker");
    let mut breaker = BreakerSettings::read(&section.adopted(&breaker))?;
    // Sentinel looks at how long calls take there, and at nothing else.
    breaker.counts_failures = grade != 0;
    Some(breaker)
}

/// Puts a value under our key, or the most that it takes.
fn put(key: &str, value: u64, from: &Foreign<'_>, into: &mut Adopted) {
    let most = match key {
        "open-ms" | "slow-call-ms" => 3_600_000,
        "window-seconds" => 3_600,
        "minimum-calls" => 10_000,
        "failures" => 1_000_000,
        _ => u64::MAX,
    };
    let value = at_most(from, value, most).unwrap_or(value);
    into.put(key, value.to_string(), from);
}

/// What opens the breaker; how many calls it takes at least.
fn thresholds(rule: &Foreign<'_>, grade: u64, count: u64, into: &mut Adopted) -> Option<u64> {
    let mut put = |key: &str, value: u64, from: &str| put(key, value, &at(rule, from), into);
    if grade == 0 {
        put("slow-call-ms", count.saturating_add(500) / 1_000, "count");
        let ratio = slow_ratio(rule)?;
        put("slow-call-rate-percent", ratio, "slowRatioThreshold");
        return Some(0);
    }
    // As good as never.
    put("slow-call-ms", 3_600_000, "grade");
    put("slow-call-rate-percent", 100, "grade");
    if grade == 1 {
        put("failure-rate-percent", ratio(&at(rule, "count"))?, "count");
        return Some(0);
    }
    // Sentinel opens when there are more; their share must not open it before.
    let failures = (count / 1_000).saturating_add(1);
    put("failures", failures, "count");
    put("failure-rate-percent", 100, "grade");
    Some(failures)
}

fn slow_ratio(rule: &Foreign<'_>) -> Option<u64> {
    match rule.get("slowRatioThreshold") {
        Some(found) => ratio(&found),
        None => Some(100),
    }
}

/// Whole percent of a ratio, at least 1: Sentinel takes 0 for "any".
fn ratio(found: &Foreign<'_>) -> Option<u64> {
    let Some((percent, is_exact)) = percent(&found.text()?) else {
        found.problem("must be from 0 to 1: 0.6, say");
        return None;
    };
    if !is_exact {
        found.warn("is a whole percentage here: the nearest one counts, and 1 at least");
    }
    Some(percent.max(1))
}
