//! One part of the product, and how its configurations are put together.

use hallpass_config::Foreign;

use super::super::row::Row;
use super::super::saying::{Sayings, Told};
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
    /// What several keys mean together, and what is meant where they are absent.
    pub(super) derive: fn(&Effective<'_>, &mut Told<'_>),
}

impl Part {
    /// What stands at `found`.
    pub(super) fn read<'a>(&self, found: &Foreign<'a>, into: &mut Sayings<'a>) {
        let configs = found.get("configs");
        let default = configs.as_ref().and_then(|it| it.get("default"));
        if let Some(default) = &default {
            let layers = vec![default.clone()];
            into.all
                .add(self.topic, self.told(default, &Effective { layers }));
        }
        for instances in self.instances.iter().filter_map(|key| found.get(key)) {
            for (name, instance) in instances.entries() {
                let layers = self.layers(name, &instance, configs.as_ref());
                let told = self.told(&instance, &Effective { layers });
                let saying = into.of_mut(name);
                if let Some(before) = saying.about(self.topic) {
                    let at = before.at.written_at();
                    let path = before.at.path();
                    instance.problem(format!(
                        "says again what {path} says at {at}: write it once"
                    ));
                    continue;
                }
                saying.add(self.topic, told);
            }
        }
    }

    /// The configuration of an instance and those below it, as the product puts them together.
    fn layers<'a>(
        &self,
        name: &str,
        instance: &Foreign<'a>,
        configs: Option<&Foreign<'a>>,
    ) -> Vec<Foreign<'a>> {
        let config = |name: &str| configs.and_then(|it| it.get(name));
        let mut layers = vec![instance.clone()];
        let mut at = instance.clone();
        let mut is_instance = true;
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
        let mut told = Told::at(at);
        for row in self.rows {
            if let Some(found) = effective.get(row.theirs) {
                row.take(&found, &mut told.explicit);
            }
        }
        (self.derive)(effective, &mut told);
        for layer in &effective.layers {
            self.warn_of_strangers(layer);
        }
        told
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

/// Whether two spellings are one key, as Spring has it.
fn is_same(one: &str, other: &str) -> bool {
    let letters = |text: &str| text.replace(['-', '_'], "").to_ascii_lowercase();
    letters(one) == letters(other)
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}
