//! What the estate's own products are told about calls, in our words: Resilience4j, Hystrix, Sentinel.
//!
//! Each is read into sayings: of all clients, and of some by name. What is said of a client goes under its own section here and over
//! `defaults`, so that our own key always wins; see [`Estate::client`].

mod hystrix;
mod resilience4j;
mod row;
mod saying;
pub(crate) mod sentinel;
mod tables;
mod topic;

use std::collections::{BTreeMap, BTreeSet};

use hallpass_config::{Adopted, Section};
use hallpass_upstream::GuardSettings;

use super::method_name::MethodName;
use saying::{Sayings, Told};
use sentinel::SentinelTexts;

pub(super) use tables::tables;
use topic::Topic;

/// A product whose words are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Product {
    Resilience4j,
    Hystrix,
    Sentinel,
}

impl Product {
    const ALL: [Self; 3] = [Self::Resilience4j, Self::Hystrix, Self::Sentinel];

    const fn name(self) -> &'static str {
        match self {
            Self::Resilience4j => "resilience4j",
            Self::Hystrix => "hystrix",
            Self::Sentinel => "sentinel",
        }
    }

    fn named(text: &str) -> Result<Self, &'static str> {
        let known = Self::ALL.into_iter().find(|it| it.name() == text);
        known.ok_or("must be `resilience4j`, `hystrix` or `sentinel`")
    }
}

const OURS_COUNTS: &str = "does not count: `feign` says it";

const TOPICS: [Topic; 5] = [
    Topic::Breaker,
    Topic::Bulkhead,
    Topic::Rate,
    Topic::Deadline,
    Topic::Retry,
];

/// Which products are asked, and the files in which rules of theirs stand.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    products: Vec<Product>,
    /// Whether `estate` names them, so that the order means something.
    are_ordered: bool,
    rules: SentinelTexts<'a>,
}

impl<'a> Sources<'a> {
    /// Those of `section`, which is `feign`.
    pub(super) fn of(section: &Section<'a>) -> Self {
        let are_ordered = section.has("estate");
        let products = match are_ordered {
            true => section.texts("estate", Product::named).unwrap_or_default(),
            false => Product::ALL.to_vec(),
        };
        let rules = match products.contains(&Product::Sentinel) {
            true => sentinel::texts(section),
            false => SentinelTexts::default(),
        };
        Self {
            products,
            are_ordered,
            rules,
        }
    }
}

/// What all products say, the first to be believed first.
#[derive(Debug)]
pub(super) struct Estate<'a> {
    said: Vec<(Product, Sayings<'a>)>,
    are_ordered: bool,
    /// By client, then by verb and path.
    methods: BTreeMap<String, BTreeMap<MethodName, GuardSettings>>,
}

/// What is said of one client, or of all, as sections can inherit it.
#[derive(Debug, Default)]
struct Layers {
    /// Of this client.
    named: Adopted,
    /// Of all clients.
    all: Adopted,
    /// What the products do where nothing is written.
    otherwise: Adopted,
    guards: Guards,
}

impl Layers {
    fn add(&mut self, topic: Topic, told: &Told<'_>, is_named: bool) {
        let into = match is_named {
            true => &mut self.named,
            false => &mut self.all,
        };
        into.lay_over(&told.explicit);
        self.otherwise.lay_over(&told.otherwise);
        if !told.guards.is_empty() {
            self.guards.0.push((topic, told.guards.clone()));
        }
    }
}

/// What is said of a client, or of all, that no section can say.
#[derive(Debug, Default)]
pub(super) struct Guards(Vec<(Topic, GuardSettings)>);

impl Guards {
    /// Puts it in the place of what was read about the same.
    pub(super) fn lay_over(&self, service: &mut GuardSettings) {
        for (topic, guards) in &self.0 {
            match topic {
                Topic::Breaker => service.breakers.clone_from(&guards.breakers),
                Topic::Bulkhead => service.bulkhead = guards.bulkhead,
                Topic::Rate => service.rates.clone_from(&guards.rates),
                Topic::Deadline | Topic::Retry => {}
            }
        }
    }
}

impl<'a> Estate<'a> {
    /// Reads what stands at the root of the documents, and rules wherever they stand. `section` is `feign`.
    pub(super) fn read(section: &Section<'a>, sources: &'a Sources<'a>) -> Self {
        let mut estate = Self {
            said: Vec::new(),
            are_ordered: sources.are_ordered,
            methods: BTreeMap::new(),
        };
        for &product in &sources.products {
            let root = || section.foreign(&[product.name()]);
            let sayings = match product {
                Product::Resilience4j => root().map(|root| resilience4j::read(&root)),
                Product::Hystrix => root().map(|root| hystrix::read(&root)),
                Product::Sentinel => {
                    let ruled = sentinel::read(section, &sources.rules);
                    estate.methods = ruled.methods;
                    Some(ruled.sayings)
                }
            };
            estate.said.extend(sayings.map(|it| (product, it)));
        }
        estate
    }

    /// The sections of clients: those of `section`, which is `feign`, and an empty one for each that only the estate speaks of. What it calls
    /// a method (`Client#method(Type)`) has its name without signs.
    pub(super) fn clients(&self, section: &Section<'a>) -> Vec<(String, Section<'a>)> {
        let mut clients = section.named("clients");
        let named = self.said.iter().flat_map(|(_, said)| said.names());
        let ruled = self.methods.keys().map(String::as_str);
        for name in named.chain(ruled) {
            if !clients
                .iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
            {
                let absent = section.absent("clients", name);
                clients.push((name.to_owned(), absent));
            }
        }
        clients
    }

    /// What `read` makes of `defaults`, over what the estate says of all clients.
    pub(super) fn defaults<T>(
        &self,
        defaults: &Section<'_>,
        read: impl FnOnce(&Section<'_>, &Guards) -> Option<T>,
    ) -> Option<T> {
        let layers = self.of(None, &[defaults]);
        let lowest = defaults.adopted(&layers.otherwise);
        let all = defaults.adopted(&layers.all).inheriting(&lowest);
        read(&defaults.clone().inheriting(&all), &layers.guards)
    }

    /// What `read` makes of the section `own` of the client `name`: it goes over what the estate says of that client by name, that over
    /// `defaults`, these over what it says of all, and that over what its products do by themselves.
    pub(super) fn client<T>(
        &self,
        name: &str,
        own: &Section<'_>,
        defaults: &Section<'_>,
        read: impl FnOnce(&Section<'_>, &Guards) -> Option<T>,
    ) -> Option<T> {
        let layers = self.of(Some(name), &[own, defaults]);
        let lowest = defaults.adopted(&layers.otherwise);
        let all = defaults.adopted(&layers.all).inheriting(&lowest);
        let defaults = defaults.clone().inheriting(&all);
        let named = own.adopted(&layers.named).inheriting(&defaults);
        read(&own.clone().inheriting(&named), &layers.guards)
    }

    /// Whether something is said of the deadline of the client `name` alone.
    pub(super) fn has_deadline_of(&self, name: &str) -> bool {
        let of_client = self.said.iter().filter_map(|(_, said)| said.of(name));
        of_client
            .into_iter()
            .any(|it| it.about(Topic::Deadline).is_some())
    }

    /// What rules say of single methods of the client `name`.
    pub(super) fn methods(&self, name: &str) -> BTreeMap<MethodName, GuardSettings> {
        let of_client = self
            .methods
            .iter()
            .filter(|(client, _)| client.eq_ignore_ascii_case(name));
        let methods = of_client.flat_map(|(_, methods)| methods.clone());
        methods.collect()
    }

    /// What `read` makes of what is said of each name that we have no section for, which may be that of a method: of nothing else, neither of what is
    /// said of all nor of our own.
    pub(super) fn named<T>(
        &self,
        section: &Section<'_>,
        read: impl Fn(&Section<'_>, &Guards) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let ours: Vec<_> = section
            .named("clients")
            .into_iter()
            .map(|(name, _)| name)
            .collect();
        let names = self.said.iter().flat_map(|(_, said)| said.names());
        let names: BTreeSet<_> = names
            .filter(|name| !ours.iter().any(|known| known.eq_ignore_ascii_case(name)))
            .collect();
        let named = names.into_iter().map(|name| {
            let mut layers = Layers::default();
            for topic in TOPICS {
                if let Some((told, true)) = self.one(topic, Some(name), &[]) {
                    layers.add(topic, told, true);
                }
            }
            let own = section.absent("clients", name);
            let lowest = own.adopted(&layers.otherwise);
            let said = own.adopted(&layers.named).inheriting(&lowest);
            let value = read(&own.clone().inheriting(&said), &layers.guards);
            value.map(|value| (name.to_owned(), value))
        });
        // All are read before the first that cannot be makes the result `None`.
        let named: Vec<_> = named.collect();
        named.into_iter().collect()
    }

    /// What is said of the client `name`, or of all. Of what two products speak of, none counts where `ours`, the sections of ours that are
    /// about this client, speak of it too; and where they do not it is a problem, unless `estate` says which goes first.
    fn of(&self, name: Option<&str>, ours: &[&Section<'_>]) -> Layers {
        let mut layers = Layers::default();
        for topic in TOPICS {
            let Some((told, is_named)) = self.one(topic, name, ours) else {
                continue;
            };
            let mut told = told.clone();
            for key in ours.iter().flat_map(|section| topic.taken_in(section)) {
                told.explicit.remove(key);
                told.otherwise.remove(key);
            }
            let is_own = ours.first().is_some_and(|own| topic.is_in(own));
            let is_ours = is_own || (!is_named && ours.iter().any(|section| topic.is_in(section)));
            if is_ours && !told.guards.is_empty() {
                told.at.left_alone(OURS_COUNTS);
                told.guards = GuardSettings::default();
            }
            layers.add(topic, &told, is_named);
        }
        layers
    }

    /// Who speaks about a topic, and whether by name.
    fn one(
        &self,
        topic: Topic,
        name: Option<&str>,
        ours: &[&Section<'_>],
    ) -> Option<(&Told<'a>, bool)> {
        let mut all = self.said.iter().filter_map(|(product, said)| {
            let named = name
                .and_then(|name| said.of(name))
                .and_then(|it| it.about(topic));
            let told = match named {
                Some(told) => (told, true),
                None => (said.all.about(topic)?, false),
            };
            Some((*product, told))
        });
        let (first, told) = all.next()?;
        let others: Vec<_> = all.collect();
        if others.is_empty() || self.are_ordered {
            for (_, (other, _)) in others {
                other
                    .at
                    .left_alone("does not count: `feign.estate` names another product first");
            }
            return Some(told);
        }
        let is_ours = ours.iter().any(|section| topic.is_in(section));
        for (product, (other, _)) in others {
            match is_ours {
                true => other.at.left_alone(OURS_COUNTS),
                false => {
                    let (at, path) = (told.0.at.written_at(), told.0.at.path());
                    let (first, second) = (first.name(), product.name());
                    other.at.problem(format!(
                        "says again what {path} says at {at}, by {second} and {first}: keep one of them, or say which goes first, \
                         `feign.estate: [{first}, {second}]`"
                    ));
                }
            }
        }
        if is_ours {
            told.0.at.left_alone(OURS_COUNTS);
        }
        None
    }
}
