//! One part of the product, and how its configurations are put together.

use hallpass_config::Foreign;

use super::super::row::{Row, is_same};
use super::super::saying::{Saying, Sayings, Told, Words};
use super::super::switches::{NoTimeLimiter, is_true};
use super::super::topic::Topic;
use super::effective::Effective;

/// Configurations that are based on each other.
const MAX_BASES: usize = 16;

/// One part of the product.
pub(in super::super) struct Part {
    /// Its key below `resilience4j`.
    pub(in super::super) name: &'static str,
    pub(in super::super) topic: Topic,
    pub(in super::super) rows: &'static [Row],
    /// Where its instances stand; old versions call it otherwise.
    pub(super) instances: &'static [&'static str],
    /// Whether a configuration that others are based on is based on `default` itself.
    pub(super) bases_have_default: bool,
    /// Whether Spring Cloud's circuit breakers have one for each call, by `configs`. Of others there are those of `instances` alone.
    pub(super) is_for_all: bool,
    /// What several keys mean together, and what is meant where they are absent.
    pub(super) derive: fn(&Effective<'_>, &mut Words),
}

/// What is switched on there.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) circuit_breakers: bool,
    pub(super) semaphores: bool,
    pub(super) no_time_limiter: NoTimeLimiter<'a>,
}

impl Part {
    /// What stands at `found`; whether something of it does not count because circuit breakers are not switched on.
    pub(super) fn read<'a>(
        &self,
        found: &Foreign<'a>,
        reading: &Reading<'a>,
        into: &mut Sayings<'a>,
    ) -> bool {
        let configs = found.get("configs");
        let counts_for_all = self.is_for_all && reading.circuit_breakers;
        let mut named = Vec::new();
        for instances in self.instances.iter().filter_map(|key| found.get(key)) {
            named.extend(instances.entries());
        }
        let groups = match &configs {
            Some(configs) => self.groups(configs, &named),
            None => Vec::new(),
        };
        if let Some(default) = configs.as_ref().and_then(|it| it.get("default")) {
            match counts_for_all {
                true => {
                    let layers = vec![default.clone()];
                    into.all
                        .add(self.topic, self.told(&default, &Effective { layers }));
                }
                false => default
                    .left_alone("is what instances are based on, and bounds no client by itself"),
            }
        }
        for (name, instance) in named {
            let layers = self.layers(name, &instance, configs.as_ref(), true);
            let told = self.told(&instance, &Effective { layers });
            self.add(told, into.of_mut(name), reading);
        }
        // A group has its name: that of the client.
        for (name, group) in groups.iter().filter(|_| counts_for_all) {
            let layers = self.layers(name, group, configs.as_ref(), false);
            let told = self.told(group, &Effective { layers });
            self.add(told, into.of_mut(name), reading);
        }
        if self.topic == Topic::Deadline {
            self.leave_out(&reading.no_time_limiter, into);
        }
        let has_default = configs.is_some_and(|it| it.get("default").is_some());
        self.is_for_all && !reading.circuit_breakers && has_default
    }

    /// Configurations that no other one is based on and that no instance has the name of: those of groups and methods.
    fn groups<'a>(
        &self,
        configs: &Foreign<'a>,
        instances: &[(&'a str, Foreign<'a>)],
    ) -> Vec<(&'a str, Foreign<'a>)> {
        let all: Vec<_> = configs.entries().collect();
        let bases = all.iter().chain(instances).filter_map(|(_, it)| {
            let base = it.get("baseConfig")?;
            base.text()
        });
        let bases: Vec<_> = bases.collect();
        let is_taken = |name: &str| {
            let is_instance = |(known, _): &(&str, Foreign<'_>)| known.eq_ignore_ascii_case(name);
            name == "default"
                || bases.iter().any(|base| base == name)
                || instances.iter().any(is_instance)
        };
        let groups = all.into_iter().filter(|(name, _)| !is_taken(name));
        groups.collect()
    }

    /// Of what is said twice about one name the pool of threads counts, as there, unless semaphores are asked for.
    fn add<'a>(&self, told: Told<'a>, saying: &mut Saying<'a>, reading: &Reading<'a>) {
        const OTHER: &str =
            "does not count: the other bulkhead of this name goes before it, as in Spring Cloud";
        let Some(before) = saying.about(self.topic) else {
            saying.add(self.topic, told);
            return;
        };
        if self.topic != Topic::Bulkhead || told.at.path().starts_with(parent(before.at.path())) {
            told.at
                .warn("does not count: the same name stands in the other list of instances");
        } else if reading.semaphores {
            told.at.left_alone(OTHER);
        } else {
            before.at.left_alone(OTHER);
            saying.add(self.topic, told);
        }
    }

    /// Takes out what is said of those who have no time limiter.
    fn leave_out<'a>(&self, none: &NoTimeLimiter<'a>, into: &mut Sayings<'a>) {
        const OFF: &str =
            "does not count: `spring.cloud.circuitbreaker.resilience4j` has no time limiter here";
        let off_for_all = none.all.is_some();
        if off_for_all && let Some(told) = into.all.take(self.topic) {
            told.at.left_alone(OFF);
        }
        let named: Vec<_> = into.names().map(str::to_owned).collect();
        for name in named.iter().filter(|_| off_for_all) {
            let said = none.named.as_ref().and_then(|it| it.get(name));
            let is_off = said.as_ref().is_none_or(is_true);
            if let Some(told) = is_off.then(|| into.of_mut(name).take(self.topic)).flatten() {
                told.at.left_alone(OFF);
            }
        }
        for (name, found) in none.named.iter().flat_map(Foreign::entries) {
            if is_true(&found) {
                // Nothing, said by name: it stands over what is said of all, and leaves the word to other products.
                into.of_mut(name).add(self.topic, Told::at(&found));
            }
        }
    }

    /// The configuration of an instance and those below it, as the product puts them together.
    fn layers<'a>(
        &self,
        name: &str,
        instance: &Foreign<'a>,
        configs: Option<&Foreign<'a>>,
        mut is_instance: bool,
    ) -> Vec<Foreign<'a>> {
        let config = |name: &str| configs.and_then(|it| it.get(name));
        let mut layers = vec![instance.clone()];
        let mut at = instance.clone();
        let mut current = name.to_owned();
        while layers.len() <= MAX_BASES {
            if let Some(base) = at.get("baseConfig") {
                let Some(wanted) = base.text() else {
                    return layers;
                };
                let Some(next) = config(&wanted) else {
                    let message = "names a configuration that does not stand in `configs` beside";
                    base.problem(message);
                    return layers;
                };
                (at, current) = (next.clone(), wanted);
                layers.push(next);
            } else {
                // A breaker called like a configuration is based on that one; other parts know `default` alone.
                let same = (is_instance && !self.bases_have_default)
                    .then(|| config(&current))
                    .flatten();
                let stops = current == "default" || !(is_instance || self.bases_have_default);
                let next = same.or_else(|| config("default"));
                let Some(next) = next.filter(|_| !stops) else {
                    return layers;
                };
                layers.push(next);
                return layers;
            }
            is_instance = false;
        }
        instance.problem("is based on configurations that are based on each other");
        layers
    }

    fn told<'a>(&self, at: &Foreign<'a>, effective: &Effective<'a>) -> Told<'a> {
        Told::tried(at, |trial, words| {
            let effective = effective.within(trial);
            for row in self.rows {
                if let Some(found) = effective.get(row.theirs) {
                    row.take(&found, &mut words.explicit);
                }
            }
            (self.derive)(&effective, words);
            for layer in &effective.layers {
                self.warn_of_strangers(layer);
            }
        })
    }

    /// A slip of the pen has no effect there either, and nobody notices.
    fn warn_of_strangers(&self, layer: &Foreign<'_>) {
        for (key, found) in layer.entries() {
            let is_known = |row: &Row| is_same(row.theirs, key);
            if !self.rows.iter().any(is_known) && !is_same("baseConfig", key) {
                found.warn("is no key of Resilience4j that is known here, and has no effect");
            }
        }
    }
}

/// The path without its last name.
fn parent(path: &str) -> &str {
    // `resilience4j.thread-pool-bulkhead`: the names before `instances` have no dots.
    let mut dots = path.match_indices('.').map(|(at, _)| at);
    let end = dots.nth(1).unwrap_or(path.len());
    path.split_at_checked(end).map_or(path, |(start, _)| start)
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
