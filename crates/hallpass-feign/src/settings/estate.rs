//! What the estate's own products are told about calls, in our words: Resilience4j, Hystrix, Sentinel, OpenFeign.
//!
//! Each is read into sayings: of all clients, and of some by name. What is said of a client goes under its own section here and over
//! `defaults`, so that our own key always wins; see [`Estate::client`].

mod choice;
mod hystrix;
mod layers;
mod openfeign;
mod product;
mod resilience4j;
mod row;
mod saying;
pub(crate) mod sentinel;
mod switches;
mod tables;
mod topic;

use std::collections::{BTreeMap, BTreeSet};

use hallpass_config::Section;

use super::method_name::MethodName;
use choice::{Asked, Heard};
use layers::Layers;
use product::Product;
use sentinel::{RuledMethod, SentinelTexts, SkippedRules};
use switches::Switches;
use topic::Topic;

pub(super) use layers::Said;
pub(super) use tables::tables;

/// Which products are asked, and the files in which rules of theirs stand.
#[derive(Debug)]
pub(super) struct Sources<'a> {
    products: Vec<Product>,
    /// Whether `estate` names them, so that the order means something.
    are_named: bool,
    rules: SentinelTexts<'a>,
}

impl<'a> Sources<'a> {
    /// Those of `section`, which is `feign`.
    pub(super) fn of(section: &Section<'a>) -> Self {
        let are_named = section.has("estate");
        let products = match are_named {
            true => section.texts("estate", Product::named).unwrap_or_default(),
            false => Product::ALL.to_vec(),
        };
        let rules = match products.contains(&Product::Sentinel) {
            true => sentinel::texts(section, Switches::of(section, are_named)),
            false => SentinelTexts::default(),
        };
        Self {
            products,
            are_named,
            rules,
        }
    }
}

/// What all products say, the first to be believed first.
#[derive(Debug)]
pub(super) struct Estate<'a> {
    heard: Heard<'a>,
    /// By client, then by verb and path.
    methods: BTreeMap<String, BTreeMap<MethodName, RuledMethod>>,
    skipped: SkippedRules,
}

/// A client, declared here or spoken of by the estate alone.
pub(super) struct Client<'a> {
    pub(super) name: String,
    pub(super) section: Section<'a>,
    /// Whether `feign.clients` has it. Of others the code knows whether they are clients.
    pub(super) is_declared: bool,
}

impl<'a> Estate<'a> {
    /// Reads what stands at the root of the documents, and rules wherever they stand. `section` is `feign`.
    pub(super) fn read(section: &Section<'a>, sources: &'a Sources<'a>) -> Self {
        let mut estate = Self {
            heard: Heard::new(sources.are_named),
            methods: BTreeMap::new(),
            skipped: SkippedRules::default(),
        };
        let switches = Switches::of(section, sources.are_named);
        for &product in &sources.products {
            let root = || section.foreign(&[product.name()]);
            let sayings = match product {
                Product::Resilience4j => root().map(|root| resilience4j::read(&root, switches)),
                Product::Hystrix => root().and_then(|root| hystrix::read(&root, switches)),
                Product::Sentinel => {
                    let ruled = sentinel::read(section, &sources.rules, switches);
                    estate.methods = ruled.methods;
                    estate.skipped = ruled.skipped;
                    Some(ruled.sayings)
                }
                Product::OpenFeign => openfeign::read(section),
            };
            if let Some(sayings) = sayings {
                estate.heard.add(product, sayings);
            }
        }
        estate
    }

    /// The sections of clients: those of `section`, which is `feign`, and an empty one for each that only the estate speaks of. What it calls
    /// a method (`Client#method(Type)`) has its name without signs.
    pub(super) fn clients(&self, section: &Section<'a>) -> Vec<Client<'a>> {
        let declared = section.named("clients").into_iter();
        let mut clients: Vec<_> = declared
            .map(|(name, section)| Client {
                name,
                section,
                is_declared: true,
            })
            .collect();
        let ruled = self.methods.keys().map(String::as_str);
        let names: BTreeSet<_> = self.heard.names().chain(ruled).collect();
        let known = clients.iter().map(|it| it.name.to_ascii_lowercase());
        let mut known: BTreeSet<_> = known.collect();
        for name in names {
            if known.insert(name.to_ascii_lowercase()) {
                clients.push(Client {
                    name: name.to_owned(),
                    section: section.absent("clients", name),
                    is_declared: false,
                });
            }
        }
        clients
    }

    /// What `read` makes of `defaults`, over what the estate says of all clients.
    pub(super) fn defaults<T>(
        &self,
        defaults: &Section<'_>,
        read: impl FnOnce(&Section<'_>, &Said) -> Option<T>,
    ) -> Option<T> {
        let layers = self.heard.of(&Asked {
            name: None,
            to: defaults,
            ours: &[defaults],
        });
        let lowest = defaults.adopted(&layers.otherwise);
        let all = defaults.adopted(&layers.all).inheriting(&lowest);
        read(&defaults.clone().inheriting(&all), &layers.said)
    }

    /// What `read` makes of the section `own` of the client `name`: it goes over what the estate says of that client by name, that over
    /// `defaults`, these over what it says of all, and that over what its products do by themselves.
    pub(super) fn client<T>(
        &self,
        name: &str,
        own: &Section<'_>,
        defaults: &Section<'_>,
        read: impl FnOnce(&Section<'_>, &Said) -> Option<T>,
    ) -> Option<T> {
        let layers = self.heard.of(&Asked {
            name: Some(name),
            to: own,
            ours: &[own, defaults],
        });
        let lowest = defaults.adopted(&layers.otherwise);
        let all = defaults.adopted(&layers.all).inheriting(&lowest);
        let defaults = defaults.clone().inheriting(&all);
        let named = own.adopted(&layers.named).inheriting(&defaults);
        read(&own.clone().inheriting(&named), &layers.said)
    }

    /// What `read` makes of what is said of `name` alone, which may be that of a method: neither of what is said of all nor of our own. `own` is
    /// an absent section.
    pub(super) fn method<T>(
        &self,
        name: &str,
        own: &Section<'_>,
        read: impl FnOnce(&Section<'_>, &Said) -> Option<T>,
    ) -> Option<T> {
        let mut layers = Layers::default();
        let asked = Asked {
            name: Some(name),
            to: own,
            ours: &[],
        };
        for topic in Topic::ALL {
            if let Some((told, true)) = self.heard.one(topic, &asked) {
                layers.add(topic, told, true);
                layers.note(topic, told);
            }
        }
        let lowest = own.adopted(&layers.otherwise);
        let said = own.adopted(&layers.named).inheriting(&lowest);
        read(&own.clone().inheriting(&said), &layers.said)
    }

    /// Whether something is said of the deadline of the client `name` alone.
    pub(super) fn has_deadline_of(&self, name: &str) -> bool {
        self.heard.has_named(Topic::Deadline, name)
    }

    /// What rules say of single methods of the client `name`.
    pub(super) fn methods(&self, name: &str) -> impl Iterator<Item = (&MethodName, &RuledMethod)> {
        let of_client = self
            .methods
            .iter()
            .filter(move |(client, _)| client.eq_ignore_ascii_case(name));
        of_client.flat_map(|(_, methods)| methods)
    }

    /// Whether nothing is said of this name but by rules that others write: they do not decide how much is shown of it.
    pub(super) fn is_of_others(&self, name: &str) -> bool {
        self.heard.is_of_others(name) && !self.methods(name).any(|(_, ruled)| ruled.has_ours)
    }

    /// Notes where the estate speaks of a name that no section of ours has.
    pub(super) fn note_stranger(&self, name: &str, own: &Section<'_>) {
        for at in self.heard.places(name) {
            own.hears(at).left_alone(
                "counts for a client or a method of this name, if the code has one: `feign.clients` has none",
            );
        }
    }

    /// Rules that were left out.
    pub(super) const fn skipped(&self) -> SkippedRules {
        self.skipped
    }
}
