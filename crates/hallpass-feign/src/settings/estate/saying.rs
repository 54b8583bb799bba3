//! What one product says of one client, or of all.

use std::collections::BTreeMap;

use hallpass_config::{Adopted, Findings, Foreign, Trial};
use hallpass_upstream::GuardSettings;

use super::topic::Topic;

/// What one product says, topic by topic.
#[derive(Debug, Default)]
pub(super) struct Saying<'a> {
    topics: BTreeMap<Topic, Told<'a>>,
}

/// What is said about one topic, in our words.
#[derive(Clone, Debug, Default)]
pub(super) struct Words {
    /// What is written there.
    pub(super) explicit: Adopted,
    /// What the product does where nothing is written.
    pub(super) otherwise: Adopted,
    /// What no section of ours can say: several breakers and rates, and calls in a period that is no second.
    pub(super) guards: GuardSettings,
}

/// What one product says about one topic.
#[derive(Clone, Debug)]
pub(super) struct Told<'a> {
    /// Where: a section of that product.
    pub(super) at: Foreign<'a>,
    pub(super) words: Words,
    /// What there is to say about it. It is said when it is known whom it is about: a name that is nobody's stops nothing.
    pub(super) findings: Findings,
    /// Whether others write it while the process runs, such as a dashboard.
    pub(super) is_from_elsewhere: bool,
}

impl Words {
    /// Whether nothing is said.
    pub(super) fn are_none(&self) -> bool {
        self.explicit.is_empty() && self.otherwise.is_empty() && self.guards.is_empty()
    }
}

impl<'a> Told<'a> {
    /// Nothing yet, in this section.
    pub(super) fn at(at: &Foreign<'a>) -> Self {
        Self {
            at: at.clone(),
            words: Words::default(),
            findings: Findings::default(),
            is_from_elsewhere: false,
        }
    }

    /// Whether it takes out what is said of all, and says nothing in its place.
    pub(super) fn is_silent(&self) -> bool {
        self.words.are_none() && self.findings.is_good()
    }

    /// What `read` makes of it, which says what is wrong within the trial.
    pub(super) fn tried(at: &Foreign<'a>, read: impl FnOnce(&Trial, &mut Words)) -> Self {
        let trial = Trial::new();
        let mut told = Self::at(at);
        read(&trial, &mut told.words);
        told.findings = trial.into_findings();
        told
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

    /// Takes out what is said about a topic.
    pub(super) fn take(&mut self, topic: Topic) -> Option<Told<'a>> {
        self.topics.remove(&topic)
    }

    /// Where the first of what is said stands.
    pub(super) fn first(&self) -> Option<&Foreign<'a>> {
        self.topics.values().next().map(|told| &told.at)
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
