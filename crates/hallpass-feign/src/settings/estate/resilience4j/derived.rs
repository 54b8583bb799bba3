//! What several keys mean together, and what is meant where they are absent.

use std::time::Duration;

use hallpass_config::Foreign;
use hallpass_upstream::{RateBehaviour, RateSettings};

use super::super::row::{Form, at_most, choice, put, put_number};
use super::super::saying::Words;
use super::effective::Effective;
use super::exceptions;

const PRODUCT: &str = "Resilience4j";
/// Its own defaults.
const WINDOW: u64 = 100;
const MINIMUM_CALLS: u64 = 100;

/// A circuit breaker.
pub(super) fn breaker(config: &Effective<'_>, told: &mut Words) {
    window(config, told);
    state(config, told);
    for key in ["enableExponentialBackoff", "enableRandomizedWait"] {
        if let Some(found) = config.get(key).filter(|_| config.is_true(key)) {
            found.problem(
                "would keep the circuit breaker open for another time each time, which is the same each time here: \
                 leave it out",
            );
        }
    }
    if let Some(found) = config.get("transitionToStateAfterWaitDuration")
        && found
            .text()
            .is_some_and(|text| !text.eq_ignore_ascii_case("OPEN"))
    {
        found.problem(
            "would close a circuit breaker that nobody tries; here it opens again: leave it out",
        );
    }
    exceptions::check(config, "recordExceptions", "ignoreExceptions");
    for (ours, text, theirs) in [
        ("failure-rate-percent", "50", "failureRateThreshold"),
        ("slow-call-rate-percent", "100", "slowCallRateThreshold"),
        ("slow-call-ms", "60000", "slowCallDurationThreshold"),
        ("open-ms", "60000", "waitDurationInOpenState"),
        (
            "half-open-calls",
            "10",
            "permittedNumberOfCallsInHalfOpenState",
        ),
        ("half-open-wait-ms", "0", "maxWaitDurationInHalfOpenState"),
    ] {
        let ours = format!("service.breaker.{ours}");
        told.otherwise.put_default(&ours, text, PRODUCT, theirs);
    }
}

/// Whether calls or seconds are counted, how many, and how many are enough.
fn window(config: &Effective<'_>, told: &mut Words) {
    let kind = config.get("slidingWindowType");
    let known = [("COUNT_BASED", false), ("TIME_BASED", true)];
    let is_time = match &kind {
        Some(found) => choice(found, &known, "must be COUNT_BASED or TIME_BASED"),
        None => Some(false),
    };
    let Some(is_time) = is_time else {
        return;
    };
    let (kind_text, size_key) = match is_time {
        true => ("time", "service.breaker.window-seconds"),
        false => ("count", "service.breaker.window"),
    };
    match &kind {
        Some(kind) => told
            .explicit
            .put("service.breaker.window-type", kind_text, kind),
        None => {
            let (key, theirs) = ("service.breaker.window-type", "slidingWindowType");
            told.otherwise.put_default(key, kind_text, PRODUCT, theirs);
        }
    }
    let size = config.number("slidingWindowSize");
    match (config.get("slidingWindowSize"), size) {
        (Some(found), Some(size)) => put_number(&found, size_key, size, &mut told.explicit),
        (Some(_), None) => {}
        (None, _) => {
            let size = WINDOW.to_string();
            told.otherwise
                .put_default(size_key, size, PRODUCT, "slidingWindowSize");
        }
    }
    let key = "service.breaker.minimum-calls";
    let given = config.number("minimumNumberOfCalls");
    let wanted = given.unwrap_or(MINIMUM_CALLS);
    // More than are looked at are never there: Resilience4j takes the smaller one.
    let counted = match is_time {
        true => wanted,
        false => wanted.min(size.unwrap_or(WINDOW)),
    };
    match (
        config.get("minimumNumberOfCalls"),
        config.get("slidingWindowSize"),
    ) {
        (Some(found), _) if given.is_some() => {
            put_number(&found, key, counted, &mut told.explicit);
        }
        (None, Some(size)) if counted < wanted => {
            put_number(&size, key, counted, &mut told.explicit);
        }
        (None, _) => {
            let counted = counted.to_string();
            told.otherwise
                .put_default(key, counted, PRODUCT, "minimumNumberOfCalls");
        }
        (Some(_), _) => {}
    }
}

fn state(config: &Effective<'_>, told: &mut Words) {
    let Some(found) = config.get("initialState") else {
        return;
    };
    let known = [
        ("CLOSED", "auto"),
        ("DISABLED", "disabled"),
        ("METRICS_ONLY", "disabled"),
        ("FORCED_OPEN", "forced-open"),
    ];
    let message = "would begin with an open or half open circuit breaker, which always begins closed here: leave it out, or \
        write FORCED_OPEN for one that stays open";
    let Some(state) = choice(&found, &known, message) else {
        return;
    };
    told.explicit.put("service.breaker.state", state, &found);
}

/// A bulkhead that counts calls.
pub(super) fn bulkhead(_config: &Effective<'_>, told: &mut Words) {
    let otherwise = &mut told.otherwise;
    otherwise.put_default(
        "service.bulkhead.max-concurrent",
        "25",
        PRODUCT,
        "maxConcurrentCalls",
    );
    otherwise.put_default(
        "service.bulkhead.max-wait-ms",
        "0",
        PRODUCT,
        "maxWaitDuration",
    );
}

/// A bulkhead of threads: its threads and the places in its queue are calls here.
pub(super) fn thread_pool(config: &Effective<'_>, told: &mut Words) {
    const QUEUE: u64 = 100;
    let Some(threads) = config.get("maxThreadPoolSize") else {
        config.problem(
            "needs `maxThreadPoolSize`: its default is the number of processors, which says nothing about a service that needs no \
             thread for a call",
        );
        return;
    };
    let queue = config.number("queueCapacity");
    let Some(number) = config.number("maxThreadPoolSize") else {
        return;
    };
    if config.get("queueCapacity").is_some() && queue.is_none() {
        return;
    }
    let places = number.saturating_add(queue.unwrap_or(QUEUE));
    let explicit = &mut told.explicit;
    put_number(
        &threads,
        "service.bulkhead.max-concurrent",
        places,
        explicit,
    );
    explicit.put("service.bulkhead.max-wait-ms", "0", &threads);
    threads.warn("is about threads, of which a call needs none here: threads and places in the queue are calls at once");
}

/// So many calls in a period.
pub(super) fn rate_limiter(config: &Effective<'_>, told: &mut Words) {
    const LIMIT: u64 = 50;
    const TIMEOUT: Duration = Duration::from_secs(5);
    const LONGEST_WAIT: u64 = 60_000;
    let Some(found) = config.get("limitRefreshPeriod") else {
        config.problem(
            "needs `limitRefreshPeriod`: the default of Resilience4j, 500 nanoseconds, bounds nothing. Write 1s, or leave the \
             limiter out",
        );
        return;
    };
    let limit_at = config.get("limitForPeriod");
    let limit = config.number("limitForPeriod");
    let Some(period) = found.duration().filter(|it| !it.is_zero()) else {
        return;
    };
    let limit = match (&limit_at, limit) {
        (Some(_), None) => return,
        (_, limit) => limit.unwrap_or(LIMIT),
    };
    let Some(calls) = u32::try_from(limit).ok().filter(|calls| *calls > 0) else {
        limit_at
            .unwrap_or(found)
            .problem("must be from 1 to 4294967295");
        return;
    };
    let mut rate = RateSettings::new(calls, period);
    rate.max_wait = TIMEOUT;
    rate.behaviour = RateBehaviour::BurstQueue;
    if let Some(found) = config.get("timeoutDuration") {
        let Some(wait) = found.duration() else {
            return;
        };
        let milliseconds = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
        rate.max_wait = match at_most(&found, milliseconds, LONGEST_WAIT) {
            Some(longest) => Duration::from_millis(longest),
            None => wait,
        };
    }
    if rate.max_wait.is_zero() {
        rate.behaviour = RateBehaviour::Reject;
    }
    told.guards.rates.push(rate);
}

/// A time limiter.
pub(super) fn time_limiter(config: &Effective<'_>, told: &mut Words) {
    if let Some(found) = config.get("cancelRunningFuture")
        && found
            .text()
            .is_some_and(|text| text.eq_ignore_ascii_case("false"))
    {
        found.problem(
            "would let a call go on that has run out of time; here it always ends, and its connection with it: leave it out",
        );
    }
    told.otherwise
        .put_default("deadline-ms", "1000", PRODUCT, "timeoutDuration");
}

/// Retries.
pub(super) fn retry(config: &Effective<'_>, told: &mut Words) {
    let attempts = ["maxAttempts", "maxRetryAttempts"]
        .iter()
        .find_map(|key| config.get(key));
    match &attempts {
        Some(found) if found.text().as_deref() != Some("0") => {
            put(found, "retry.max-attempts", Form::Same, &mut told.explicit);
        }
        // There it means: the default.
        _ => told
            .otherwise
            .put_default("retry.max-attempts", "3", PRODUCT, "maxAttempts"),
    }
    exceptions::check(config, "retryExceptions", "ignoreExceptions");
    waits(config, told);
}

/// How long is waited between attempts: up to what is said, where Resilience4j waits exactly so long.
fn waits(config: &Effective<'_>, told: &mut Words) {
    let (base, multiplier, longest) = ("retry.base-ms", "retry.multiplier", "retry.max-wait-ms");
    let wait = config.get("waitDuration");
    // Nothing is shorter than a millisecond here.
    let put_wait = |found: &Foreign<'_>, key: &str, told: &mut Words| match found.duration() {
        Some(Duration::ZERO) => told.explicit.put(key, "1", found),
        Some(_) => put(found, key, Form::Same, &mut told.explicit),
        None => {}
    };
    match &wait {
        Some(found) => put_wait(found, base, told),
        None => told
            .otherwise
            .put_default(base, "500", PRODUCT, "waitDuration"),
    }
    // Without a wait that is written, Resilience4j does not look at the rest.
    let grows = wait.is_some() && config.is_true("enableExponentialBackoff");
    if !grows {
        let theirs = "enableExponentialBackoff";
        told.otherwise.put_default(multiplier, "1", PRODUCT, theirs);
        match &wait {
            Some(found) => put_wait(found, longest, told),
            None => told
                .otherwise
                .put_default(longest, "500", PRODUCT, "waitDuration"),
        }
        return;
    }
    match config.get("exponentialBackoffMultiplier") {
        Some(found) => put(&found, multiplier, Form::Whole, &mut told.explicit),
        // 1.5 there.
        None => {
            let theirs = "exponentialBackoffMultiplier";
            told.otherwise.put_default(multiplier, "2", PRODUCT, theirs);
        }
    }
    let theirs = "exponentialMaxWaitDuration";
    match config.get(theirs) {
        Some(found) => put_wait(&found, longest, told),
        None => told
            .otherwise
            .put_default(longest, "60000", PRODUCT, theirs),
    }
}
