//! What is said of one client, or of all, one over the other.

use hallpass_config::Adopted;
use hallpass_upstream::GuardSettings;

use super::saying::Told;
use super::topic::Topic;

/// What is said of one client, or of all, as sections can inherit it.
#[derive(Debug, Default)]
pub(super) struct Layers {
    /// Of this client.
    pub(super) named: Adopted,
    /// Of all clients.
    pub(super) all: Adopted,
    /// What the products do where nothing is written.
    pub(super) otherwise: Adopted,
    pub(super) said: Said,
}

impl Layers {
    pub(super) fn add(&mut self, topic: Topic, told: &Told<'_>, is_named: bool) {
        let into = match is_named {
            true => &mut self.named,
            false => &mut self.all,
        };
        into.lay_over(&told.words.explicit);
        self.otherwise.lay_over(&told.words.otherwise);
        if !told.words.guards.is_empty() {
            self.said.guards.push((topic, told.words.guards.clone()));
        }
    }

    /// Notes whose words count about the topic.
    pub(super) fn note(&mut self, topic: Topic, told: &Told<'_>) {
        if told.words.are_none() {
            return;
        }
        let (topic, path, at) = (topic.name(), told.at.path(), told.at.written_at());
        self.said.origins.push(format!("{topic} by {path} ({at})"));
    }
}

/// What is said of a client, or of all, that no section can say.
#[derive(Debug, Default)]
pub(in super::super) struct Said {
    guards: Vec<(Topic, GuardSettings)>,
    origins: Vec<String>,
}

impl Said {
    /// Puts it in the place of what was read about the same.
    pub(in super::super) fn lay_over(&self, service: &mut GuardSettings) {
        for (topic, guards) in &self.guards {
            match topic {
                Topic::Breaker => service.breakers.clone_from(&guards.breakers),
                Topic::Bulkhead => service.bulkhead = guards.bulkhead,
                Topic::Rate => service.rates.clone_from(&guards.rates),
                Topic::Deadline | Topic::Retry => {}
            }
        }
    }

    /// Which keys of the estate count, each with what it is about.
    pub(in super::super) fn origins(&self) -> Vec<String> {
        self.origins.clone()
    }
}
