//! What one product says of one client, or of all.

use std::collections::BTreeMap;

use hallpass_config::{Adopted, Foreign};
use hallpass_upstream::GuardSettings;

use super::topic::Topic;

/// What one product says, topic by topic.
#[derive(Debug, Default)]
pub(super) struct Saying<'a> {
    topics: BTreeMap<Topic, Told<'a>>,
}

/// What one product says about one topic, in our words.
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    /// Where: a section of that product.
    pub(super) at: Foreign<'a>,
    /// What is written there.
    pub(super) explicit: Adopted,
    /// What the product does where nothing is written.
    pub(super) otherwise: Adopted,
    /// What no section of ours can say: several breakers and rates, and calls in a period that is no second.
    pub(super) guards: GuardSettings,
}

impl<'a> Told<'a> {
    /// Nothing yet, in this section.
    pub(super) fn at(at: &Foreign<'a>) -> Self {
        Self {
            at: at.clone(),
            explicit: Adopted::default(),
            otherwise: Adopted::default(),
            guards: GuardSettings::default(),
        }
    }
}

impl<'a> Saying<'a> {
    pub(super) fn add(&mut self, topic: Topic, told: Told<'a>) {
        self.topics.insert(topic, told);
    }

    /// The same, to add to; `told` begins.
    pub(super) fn about_mut(
        &mut self,
        topic: Topic,
        told: impl FnOnce() -> Told<'a>,
    ) -> &mut Told<'a> {
        self.topics.entry(topic).or_insert_with(told)
    }

    pub(super) fn about(&self, topic: Topic) -> Option<&Told<'a>> {
        self.topics.get(&topic)
    }
}

/// What one product says of all clients, and of some of them by name.
#[derive(Debug, Default)]
pub(super) struct Sayings<'a> {
    pub(super) all: Saying<'a>,
    named: BTreeMap<String, Saying<'a>>,
}

impl<'a> Sayings<'a> {
    /// What is said of the client `name`, whose case does not count, as for the names of services.
    pub(super) fn of(&self, name: &str) -> Option<&Saying<'a>> {
        let ignoring_case = || {
            let mut named = self.named.iter();
            named.find(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let exact = self.named.get(name);
        exact.or_else(|| ignoring_case().map(|(_, said)| said))
    }

    /// The same, to add to. What the estate calls a method, `DemoClient#getDemo(String)`, has its name without signs, as OpenFeign has it by
    /// default: `DemoClientgetDemoString`.
    pub(super) fn of_mut(&mut self, name: &str) -> &mut Saying<'a> {
        let name = match name.contains('#') {
            true => name.chars().filter(char::is_ascii_alphanumeric).collect(),
            false => name.to_owned(),
        };
        self.named.entry(name).or_default()
    }

    /// Who is spoken of by name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(String::as_str)
    }
}
