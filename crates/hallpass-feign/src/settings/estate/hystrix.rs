//! `hystrix`: commands and thread pools, as Netflix documents them. Its own defaults count, since that is what the estate ran with.

use hallpass_config::{Adopted, Foreign};

use super::row::{Form, Means, Row, put};
use super::saying::{Sayings, Told};
use super::topic::Topic;

const PRODUCT: &str = "Hystrix";
const NOT_MONITORED: &str = "is for its monitoring: what happens here is in the metrics";
const NO_THREADS: &str = "is about threads, of which a call needs none here";

/// The keys of a command.
pub(super) const COMMAND: &[Row] = &[
    Row::ours("circuitBreaker.enabled", "service.breaker.enabled"),
    Row::ours(
        "circuitBreaker.requestVolumeThreshold",
        "service.breaker.minimum-calls",
    ),
    Row::ours(
        "circuitBreaker.errorThresholdPercentage",
        "service.breaker.failure-rate-percent",
    ),
    Row::ours(
        "circuitBreaker.sleepWindowInMilliseconds",
        "service.breaker.open-ms",
    ),
    Row::part(
        "circuitBreaker.forceOpen",
        "`true` is `service.breaker.state: forced-open`",
    ),
    Row::part(
        "circuitBreaker.forceClosed",
        "`true` is `service.breaker.state: forced-closed`, unless `forceOpen` is true",
    ),
    Row::part(
        "metrics.rollingStats.timeInMilliseconds",
        "`service.breaker.window-seconds`, with `window-type: time`; whole seconds",
    ),
    Row::part(
        "execution.isolation.thread.timeoutInMilliseconds",
        "`deadline-ms`",
    ),
    Row::part(
        "execution.timeout.enabled",
        "`false`: no deadline is taken from Hystrix",
    ),
    Row::part(
        "execution.isolation.strategy",
        "`THREAD`: the bulkhead is that of the thread pool; `SEMAPHORE`: of the semaphore",
    ),
    Row::part(
        "execution.isolation.semaphore.maxConcurrentRequests",
        "`service.bulkhead.max-concurrent`, where the strategy is `SEMAPHORE`",
    ),
    Row::part(
        "threadPoolKeyOverride",
        "the name of the thread pool whose bulkhead it is",
    ),
    Row::nothing("execution.isolation.thread.interruptOnTimeout", NO_THREADS),
    Row::nothing("execution.isolation.thread.interruptOnCancel", NO_THREADS),
    Row::nothing(
        "execution.isolation.thread.interruptOnFutureCancel",
        NO_THREADS,
    ),
    Row::nothing(
        "fallback.isolation.semaphore.maxConcurrentRequests",
        "bounds fallbacks, which are code of the caller here and bounded by nothing",
    ),
    Row::part(
        "fallback.enabled",
        "`true`, as here; `false` is a problem: whether there is a fallback is said in code",
    ),
    Row::nothing("metrics.rollingStats.numBuckets", NOT_MONITORED),
    Row::nothing("metrics.rollingPercentile.enabled", NOT_MONITORED),
    Row::nothing(
        "metrics.rollingPercentile.timeInMilliseconds",
        NOT_MONITORED,
    ),
    Row::nothing("metrics.rollingPercentile.numBuckets", NOT_MONITORED),
    Row::nothing("metrics.rollingPercentile.bucketSize", NOT_MONITORED),
    Row::nothing(
        "metrics.healthSnapshot.intervalInMilliseconds",
        "says how often its breaker looks at the calls, which happens with each call here",
    ),
    Row::nothing(
        "requestCache.enabled",
        "is about results that code keeps for one request",
    ),
    Row::nothing("requestLog.enabled", NOT_MONITORED),
];

/// The keys of a thread pool.
pub(super) const THREAD_POOL: &[Row] = &[
    Row::part(
        "coreSize",
        "with the queue: `service.bulkhead.max-concurrent`, and `max-wait-ms: 0`: a call needs no thread here, so that one which would wait in the queue is made at once",
    ),
    Row::part(
        "maximumSize",
        "in place of `coreSize`, where `allowMaximumSizeToDivergeFromCoreSize` is true",
    ),
    Row::part(
        "allowMaximumSizeToDivergeFromCoreSize",
        "with `maximumSize`",
    ),
    Row::part("maxQueueSize", "places in the queue; `-1` is none"),
    Row::part(
        "queueSizeRejectionThreshold",
        "places in the queue, where `maxQueueSize` is larger",
    ),
    Row::nothing("keepAliveTimeMinutes", NO_THREADS),
    Row::nothing("metrics.rollingStats.timeInMilliseconds", NOT_MONITORED),
    Row::nothing("metrics.rollingStats.numBuckets", NOT_MONITORED),
];

/// What `hystrix` says.
pub(super) fn read<'a>(root: &Foreign<'a>) -> Sayings<'a> {
    let (commands, pools) = (root.get("command"), root.get("threadpool"));
    let mut sayings = Sayings::default();
    if let Some(shared) = root.at(&["shareSecurityContext"]) {
        shared.left_alone("is always so here: the caller's identity goes with each call");
    }
    for other in ["collapser", "plugin"] {
        if let Some(found) = root.get(other) {
            found.problem("is not done here: calls are neither put together nor is there code of Java; leave it out");
        }
    }
    let all = |found: &Option<Foreign<'a>>| found.as_ref().and_then(|it| it.get("default"));
    let (command, pool) = (all(&commands), all(&pools));
    if let Some(at) = command.as_ref().or(pool.as_ref()) {
        let config = Config {
            command: Layers([None, command.clone()]),
            pool: Layers([None, pool.clone()]),
        };
        if command.is_some() {
            sayings.all.add(Topic::Breaker, config.breaker(at));
            if let Some(told) = config.deadline(at) {
                sayings.all.add(Topic::Deadline, told);
            }
        }
        sayings.all.add(Topic::Bulkhead, config.bulkhead(at));
    }
    let named = |found: &Option<Foreign<'a>>| {
        let entries = found.iter().flat_map(Foreign::entries);
        let named = entries.filter(|(name, _)| *name != "default");
        named
            .map(|(name, it)| (name.to_owned(), it))
            .collect::<Vec<_>>()
    };
    for (name, found) in named(&commands) {
        let over = found.get("threadPoolKeyOverride").and_then(|it| it.text());
        let pool_name = over.as_deref().unwrap_or(&name);
        let config = Config {
            command: Layers([Some(found.clone()), command.clone()]),
            pool: Layers([
                pools.as_ref().and_then(|it| it.get(pool_name)),
                pool.clone(),
            ]),
        };
        let saying = sayings.of_mut(&name);
        saying.add(Topic::Breaker, config.breaker(&found));
        if let Some(told) = config.deadline(&found) {
            saying.add(Topic::Deadline, told);
        }
        // A pool is that of the group, which for a declared client is its name, unless the command says otherwise.
        if config.is_semaphore() || over.is_some() {
            saying.add(Topic::Bulkhead, config.bulkhead(&found));
        }
    }
    for (name, found) in named(&pools) {
        let config = Config {
            command: Layers([None, command.clone()]),
            pool: Layers([Some(found.clone()), pool.clone()]),
        };
        let saying = sayings.of_mut(&name);
        if saying.about(Topic::Bulkhead).is_none() {
            saying.add(Topic::Bulkhead, config.bulkhead(&found));
        }
    }
    sayings
}

/// Its own section and that of all.
struct Layers<'a>([Option<Foreign<'a>>; 2]);

impl<'a> Layers<'a> {
    fn get(&self, key: &str) -> Option<Foreign<'a>> {
        let names: Vec<_> = key.split('.').collect();
        self.0.iter().flatten().find_map(|layer| layer.at(&names))
    }

    fn is(&self, key: &str, wanted: &str) -> Option<Foreign<'a>> {
        let found = self.get(key)?;
        let is = found
            .text()
            .is_some_and(|text| text.eq_ignore_ascii_case(wanted));
        is.then_some(found)
    }

    /// Takes what needs no thought.
    fn take(&self, rows: &[Row], is_wanted: impl Fn(&Row) -> bool, into: &mut Adopted) {
        for row in rows.iter().filter(|row| is_wanted(row)) {
            if let Some(found) = self.get(row.theirs) {
                row.take(&found, into);
            }
        }
    }

    /// A whole number, or the default.
    fn number(&self, key: &str, default: i64) -> Option<i64> {
        let Some(found) = self.get(key) else {
            return Some(default);
        };
        let number = found.text().and_then(|text| text.parse().ok());
        if number.is_none() {
            found.problem("must be a whole number");
        }
        number
    }
}

/// What counts for one command.
struct Config<'a> {
    command: Layers<'a>,
    pool: Layers<'a>,
}

impl<'a> Config<'a> {
    fn is_semaphore(&self) -> bool {
        self.command
            .is("execution.isolation.strategy", "SEMAPHORE")
            .is_some()
    }

    fn breaker(&self, at: &Foreign<'a>) -> Told<'a> {
        let mut told = Told::at(at);
        let command = &self.command;
        command.take(COMMAND, |_| true, &mut told.explicit);
        if let Some(found) = command.is("fallback.enabled", "false") {
            found.problem("would keep fallbacks from being asked; whether there is one is said in code here: leave it out");
        }
        let key = "service.breaker.state";
        if let Some(found) = command.is("circuitBreaker.forceOpen", "true") {
            told.explicit.put(key, "forced-open", &found);
        } else if let Some(found) = command.is("circuitBreaker.forceClosed", "true") {
            told.explicit.put(key, "forced-closed", &found);
        }
        if let Some(found) = command.get("metrics.rollingStats.timeInMilliseconds") {
            window(&found, &mut told.explicit);
        }
        for (ours, text, theirs) in [
            (
                "window-type",
                "time",
                "metrics.rollingStats.timeInMilliseconds",
            ),
            (
                "window-seconds",
                "10",
                "metrics.rollingStats.timeInMilliseconds",
            ),
            (
                "minimum-calls",
                "20",
                "circuitBreaker.requestVolumeThreshold",
            ),
            (
                "failure-rate-percent",
                "50",
                "circuitBreaker.errorThresholdPercentage",
            ),
            (
                "open-ms",
                "5000",
                "circuitBreaker.sleepWindowInMilliseconds",
            ),
            ("half-open-calls", "1", "circuitBreaker"),
        ] {
            let ours = format!("service.breaker.{ours}");
            told.otherwise.put_default(&ours, text, PRODUCT, theirs);
        }
        told
    }

    fn deadline(&self, at: &Foreign<'a>) -> Option<Told<'a>> {
        if self
            .command
            .is("execution.timeout.enabled", "false")
            .is_some()
        {
            return None;
        }
        let mut told = Told::at(at);
        let key = "execution.isolation.thread.timeoutInMilliseconds";
        match self.command.get(key) {
            Some(found) => put(&found, "deadline-ms", Form::Same, &mut told.explicit),
            None => told
                .otherwise
                .put_default("deadline-ms", "1000", PRODUCT, key),
        }
        Some(told)
    }

    fn bulkhead(&self, at: &Foreign<'a>) -> Told<'a> {
        let mut told = Told::at(at);
        let (key, wait) = (
            "service.bulkhead.max-concurrent",
            "service.bulkhead.max-wait-ms",
        );
        told.otherwise
            .put_default(wait, "0", PRODUCT, "maxQueueSize");
        if self.is_semaphore() {
            let theirs = "execution.isolation.semaphore.maxConcurrentRequests";
            match self.command.get(theirs) {
                Some(found) => put(&found, key, Form::Same, &mut told.explicit),
                None => told.otherwise.put_default(key, "10", PRODUCT, theirs),
            }
            return told;
        }
        self.pool.take(
            THREAD_POOL,
            |row| !matches!(row.means, Means::Part(_)),
            &mut told.explicit,
        );
        let may_differ = self
            .pool
            .is("allowMaximumSizeToDivergeFromCoreSize", "true");
        let core = self.pool.number("coreSize", 10);
        let most = match may_differ {
            Some(_) => self.pool.number("maximumSize", 10),
            None => core,
        };
        let queue = self.pool.number("maxQueueSize", -1);
        let threshold = self.pool.number("queueSizeRejectionThreshold", 5);
        let (Some(core), Some(most), Some(queue), Some(threshold)) = (core, most, queue, threshold)
        else {
            return told;
        };
        let places = core.max(most).saturating_add(queue.min(threshold).max(0));
        let said = [
            "coreSize",
            "maximumSize",
            "maxQueueSize",
            "queueSizeRejectionThreshold",
        ];
        match said.iter().find_map(|key| self.pool.get(key)) {
            Some(found) => told.explicit.put(key, places.to_string(), &found),
            None => told
                .otherwise
                .put_default(key, places.to_string(), PRODUCT, "coreSize"),
        }
        told
    }
}

/// Whole seconds.
fn window(found: &Foreign<'_>, into: &mut Adopted) {
    let Some(span) = found.duration() else {
        return;
    };
    if span.subsec_nanos() != 0 {
        found.problem("must be whole seconds here: 10000, say");
        return;
    }
    into.put("service.breaker.window-type", "time", found);
    into.put(
        "service.breaker.window-seconds",
        span.as_secs().to_string(),
        found,
    );
}
