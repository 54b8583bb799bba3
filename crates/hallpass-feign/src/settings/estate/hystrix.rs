//! `hystrix`: commands and thread pools, as Netflix documents them. Its own defaults count, since that is what the estate ran with.

mod rows;

use std::time::Duration;

use hallpass_config::{Adopted, Foreign, Trial};

use super::row::{Form, Means, Row, put};
use super::saying::{Sayings, Told, Words};
use super::switches::Switches;
use super::topic::Topic;

pub(super) use rows::{COMMAND, THREAD_POOL};

const PRODUCT: &str = "Hystrix";
/// The most calls at once that a bulkhead counts.
const MOST: u64 = 100_000;

/// What `hystrix` says, where it is around Feign clients.
pub(super) fn read<'a>(root: &Foreign<'a>, switches: Switches<'_, 'a>) -> Option<Sayings<'a>> {
    if !switches.hystrix() {
        root.warn(
            "bounds no Feign client, as `feign.hystrix.enabled` is not true: set it, or write `feign.estate: [hystrix]` to take it",
        );
        return None;
    }
    let (commands, pools) = (root.get("command"), root.get("threadpool"));
    let mut sayings = Sayings::default();
    say_what_is_not_done(root);
    let all = |found: &Option<Foreign<'a>>| found.as_ref().and_then(|it| it.get("default"));
    let (command, pool) = (all(&commands), all(&pools));
    if let Some(at) = command.as_ref().or(pool.as_ref()) {
        let config = Config {
            command: Layers([None, command.clone()]),
            pool: Layers([None, pool.clone()]),
        };
        if command.is_some() {
            sayings.all.add(Topic::Breaker, config.breaker(at));
            sayings.all.add(Topic::Deadline, config.deadline(at));
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
        saying.add(Topic::Deadline, config.deadline(&found));
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
    Some(sayings)
}

/// What has no effect here.
fn say_what_is_not_done(root: &Foreign<'_>) {
    if let Some(shared) = root.at(&["shareSecurityContext"]) {
        shared.left_alone("is always so here: the caller's identity goes with each call");
    }
    for other in ["collapser", "plugin"] {
        if let Some(found) = root.get(other) {
            found.warn(
                "has no effect here: calls are neither put together nor is there code of Java",
            );
        }
    }
}

/// Its own section and that of all.
struct Layers<'a>([Option<Foreign<'a>>; 2]);

impl<'a> Layers<'a> {
    fn within<'b>(&self, trial: &'b Trial) -> Layers<'b>
    where
        'a: 'b,
    {
        let [own, all] = &self.0;
        let within = |it: &Option<Foreign<'a>>| it.as_ref().map(|it| it.within(trial));
        Layers([within(own), within(all)])
    }

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

    fn within<'b>(&self, trial: &'b Trial) -> Config<'b>
    where
        'a: 'b,
    {
        Config {
            command: self.command.within(trial),
            pool: self.pool.within(trial),
        }
    }

    fn breaker(&self, at: &Foreign<'a>) -> Told<'a> {
        Told::tried(at, |trial, words| self.within(trial).take_breaker(words))
    }

    fn bulkhead(&self, at: &Foreign<'a>) -> Told<'a> {
        Told::tried(at, |trial, words| self.within(trial).take_bulkhead(words))
    }

    fn take_breaker(&self, told: &mut Words) {
        let command = &self.command;
        command.take(COMMAND, |_| true, &mut told.explicit);
        if let Some(found) = command.is("fallback.enabled", "false") {
            found.warn("has no effect here: whether there is a fallback is said in code");
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
    }

    /// How long it may take. Without a timeout nothing is said: of a command by name this stands over what is said of all.
    fn deadline(&self, at: &Foreign<'a>) -> Told<'a> {
        let key = "execution.timeout.enabled";
        if self.command.is(key, "false").is_some() {
            return Told::at(at);
        }
        Told::tried(at, |trial, words| {
            let key = "execution.isolation.thread.timeoutInMilliseconds";
            match self.command.within(trial).get(key) {
                Some(found) => put(&found, "deadline-ms", Form::Same, &mut words.explicit),
                None => words
                    .otherwise
                    .put_default("deadline-ms", "1000", PRODUCT, key),
            }
        })
    }

    fn take_bulkhead(&self, told: &mut Words) {
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
            return;
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
            return;
        };
        let places = core.max(most).saturating_add(queue.min(threshold).max(0));
        let places = places.min(MOST.cast_signed());
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
    }
}

/// Whole seconds.
fn window(found: &Foreign<'_>, into: &mut Adopted) {
    let Some(span) = found.duration() else {
        return;
    };
    if span.subsec_nanos() != 0 {
        found.warn("is whole seconds here: the next one counts");
    }
    let seconds = span
        .saturating_add(Duration::from_nanos(999_999_999))
        .as_secs();
    into.put("service.breaker.window-type", "time", found);
    into.put("service.breaker.window-seconds", seconds.to_string(), found);
}
