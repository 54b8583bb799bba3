//! Rules of Sentinel: its degrade rules are circuit breakers, its flow rules rates and bulkheads. They stand in our own section, in a file, in a
//! document of Nacos as its dashboard writes it, or where Spring Cloud Alibaba reads them.

mod degrade;
mod fields;
mod flow;
mod guard;
mod numbers;
mod resource;
mod sources;

use std::collections::BTreeMap;

use hallpass_config::{Foreign, Section};
use hallpass_upstream::GuardSettings;

use super::super::method_name::MethodName;
use super::saying::{Sayings, Told};
use guard::Guard;
use resource::Resource;
use sources::{RuleKind, Rules};

pub(super) use degrade::DEGRADE;
pub(super) use flow::FLOW;
pub(crate) use sources::KEYS;
pub use sources::{RuleDocument, SENTINEL_DOCUMENTS};
pub(super) use sources::{SentinelTexts, texts};

/// What rules say, also of single methods.
#[derive(Debug, Default)]
pub(super) struct Ruled<'a> {
    pub(super) sayings: Sayings<'a>,
    /// By client, then by verb and path.
    pub(super) methods: BTreeMap<String, BTreeMap<MethodName, GuardSettings>>,
}

/// What all rules say. `feign` is our section.
pub(super) fn read<'a>(feign: &Section<'a>, texts: &'a SentinelTexts<'a>) -> Ruled<'a> {
    let section = feign.section("sentinel");
    // Nothing of it is in effect where it is absent, so nothing of it is shown.
    let others = || {
        section.choice("others", |text| match text {
            "refuse" => Some(false),
            "ignore" => Some(true),
            _ => None,
        })
    };
    let leaves_others = section.is_given().then(others).flatten();
    let reader = Reader {
        feign,
        leaves_others: leaves_others.unwrap_or_default(),
    };
    let mut ruled = Ruled::default();
    for rules in sources::all(feign, texts, reader.leaves_others) {
        let Some(items) = rules.list.items() else {
            continue;
        };
        for item in items {
            reader.take(&rules, &item, &mut ruled);
        }
    }
    ruled
}

struct Reader<'s, 'a> {
    feign: &'s Section<'a>,
    /// Whether rules about something else are left alone.
    leaves_others: bool,
}

impl<'a> Reader<'_, 'a> {
    fn take(&self, rules: &Rules<'a>, item: &Foreign<'a>, into: &mut Ruled<'a>) {
        let resource = match &rules.resource {
            Some(resource) => Some(resource.clone()),
            None => self.resource_of(item),
        };
        let Some(resource) = resource else {
            return;
        };
        // Read under the name that its values are shown by.
        let shown = match &resource {
            Resource::All => self.feign.section("defaults"),
            Resource::Client(name) | Resource::Method(name, _) => {
                self.feign.absent("clients", name)
            }
        };
        let guard = match rules.kind {
            RuleKind::Degrade => degrade::read(item, &shown).map(Guard::Breaker),
            RuleKind::Flow => flow::read(item),
        };
        let Some(guard) = guard else {
            return;
        };
        let topic = guard.topic();
        match resource {
            Resource::Method(client, method) => {
                let methods = into.methods.entry(client).or_default();
                guard.add_to(methods.entry(method).or_default());
            }
            Resource::Client(name) => {
                let saying = into.sayings.of_mut(&name);
                guard.add_to(&mut saying.about_mut(topic, || Told::at(item)).guards);
            }
            Resource::All => {
                let saying = &mut into.sayings.all;
                guard.add_to(&mut saying.about_mut(topic, || Told::at(item)).guards);
            }
        }
    }

    fn resource_of(&self, item: &Foreign<'a>) -> Option<Resource> {
        let Some(found) = item.get("resource") else {
            item.problem("names no `resource`");
            return None;
        };
        let resource = Resource::named(&found.text()?);
        if resource.is_none() {
            let what =
                "bounds something that no declared client calls, such as requests that arrive";
            match self.leaves_others {
                true => found.left_alone(what),
                false => found.problem(format!(
                    "{what}: it would have no effect here. Calls of a client are NAME, `http://NAME`, or those of one method \
                     `GET:http://NAME/path`; `feign.sentinel.others: ignore` leaves all else alone"
                )),
            }
        }
        resource
    }
}
