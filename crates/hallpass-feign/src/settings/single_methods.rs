//! `methods`: what is said of single methods of a client.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hallpass_config::{Key, Kind, Section};
use hallpass_upstream::{BreakerSettings, BulkheadSettings, GuardSettings, RateSettings};

use super::method_name::{InvalidMethodName, MethodName};

/// Those of [`GuardSettings`], and the deadline.
pub(super) const METHOD_KEYS: &[Key] = &[
    Key::new(
        "deadline-ms",
        Kind::millis(1, 3_600_000),
        "Longest time of a call of this method, with all its attempts, whatever the client's is.",
    )
    .otherwise("that of the client, unless the code has one for the method and the client has none of its own"),
    Key::new(
        "breaker",
        Kind::Section(BreakerSettings::KEYS),
        "A circuit breaker over all calls of the method, with their retries, whatever instance they go to. None without this section.",
    ),
    Key::new(
        "bulkhead",
        Kind::Section(BulkheadSettings::KEYS),
        "Calls of the method under way at once, over all instances. No limit without this section.",
    ),
    Key::new(
        "rate",
        Kind::Section(RateSettings::KEYS),
        "Calls of the method that begin in a second, over all instances. No limit without this section.",
    ),
];

/// Two names that differ in nothing but what stands in braces are one.
const SAID_TWICE: &str =
    "names a method that stands here already: what is in braces does not count";

/// What `methods` says, each by verb and path.
#[derive(Debug)]
pub(super) struct SingleMethods {
    pub(super) guards: BTreeMap<MethodName, GuardSettings>,
    pub(super) deadlines: BTreeMap<MethodName, Duration>,
}

impl SingleMethods {
    /// `None` when one of them cannot be read; all have been looked at then.
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let seen = RefCell::new(BTreeSet::new());
        let methods = section.named_by("methods", |text| {
            let name: MethodName = text
                .parse()
                .map_err(|error: InvalidMethodName| error.to_string())?;
            match seen.borrow_mut().insert(name.clone()) {
                true => Ok(name),
                false => Err(SAID_TWICE.to_owned()),
            }
        });
        let methods = methods.into_iter().map(|(name, section)| {
            let guards = GuardSettings::read(&section);
            (name, guards, section.millis("deadline-ms"))
        });
        let methods: Vec<_> = methods.collect();
        let mut read = Self {
            guards: BTreeMap::new(),
            deadlines: BTreeMap::new(),
        };
        for (name, guards, deadline) in methods {
            let guards = guards?;
            // What says nothing but a deadline does not stand in the way of what a rule of the estate guards.
            if deadline.is_none() || !guards.is_empty() {
                read.guards.insert(name.clone(), guards);
            }
            read.deadlines
                .extend(deadline.map(|deadline| (name, deadline)));
        }
        Some(read)
    }
}
