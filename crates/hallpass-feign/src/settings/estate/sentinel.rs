//! Rules of Sentinel: its degrade rules are circuit breakers, its flow rules rates and bulkheads. They stand in our own section, in a file, in a
//! document of Nacos as its dashboard writes it, or where Spring Cloud Alibaba reads them.

mod degrade;
mod fields;
mod flow;
mod guard;
mod numbers;
mod resource;
mod skipped;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use hallpass_config::{Foreign, How, Section, Trial};
use hallpass_upstream::GuardSettings;

use super::super::method_name::MethodName;
use super::saying::{Sayings, Told};
use super::switches::Switches;
use guard::Guard;
use resource::Resource;
use skipped::{MOST_NAMES, Skipping};
use sources::{RuleKind, Rules};

pub(super) use degrade::DEGRADE;
pub(super) use flow::FLOW;
pub use skipped::SkippedRules;
pub(crate) use sources::KEYS;
pub use sources::{RuleDocument, SENTINEL_DOCUMENTS, UNREADABLE_RULES};
pub(super) use sources::{SentinelTexts, texts};

/// What rules say, also of single methods.
#[derive(Debug, Default)]
pub(super) struct Ruled<'a> {
    pub(super) sayings: Sayings<'a>,
    /// By client, then by verb and path.
    pub(super) methods: BTreeMap<String, BTreeMap<MethodName, RuledMethod>>,
    pub(super) skipped: SkippedRules,
    /// Names of clients in small letters that rules of others are about, and `feign.clients` has not.
    strangers: BTreeSet<String>,
}

/// What rules say of one method.
#[derive(Debug, Default)]
pub(in crate::settings) struct RuledMethod {
    pub(in crate::settings) guards: GuardSettings,
    /// Which rules, each with what it is.
    pub(in crate::settings) origins: Vec<String>,
    /// Whether a rule of our own keys is among them.
    pub(super) has_ours: bool,
}

/// What all rules say. `feign` is our section.
pub(super) fn read<'a>(
    feign: &Section<'a>,
    texts: &'a SentinelTexts<'a>,
    switches: Switches<'_, 'a>,
) -> Ruled<'a> {
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
    let declared = feign.named("clients").into_iter();
    let reader = Reader {
        feign,
        declared: declared
            .map(|(name, _)| name.to_ascii_lowercase())
            .collect(),
        leaves_others: leaves_others.unwrap_or_default(),
    };
    let mut ruled = Ruled::default();
    let all = sources::all(feign, texts, switches);
    ruled.skipped.bad = all.unreadable;
    for rules in all.rules {
        reader.take_all(&rules, &mut ruled);
    }
    ruled
}

struct Reader<'s, 'a> {
    feign: &'s Section<'a>,
    /// The names of `feign.clients`, in small letters.
    declared: BTreeSet<String>,
    /// Whether our own rules about something else are left alone.
    leaves_others: bool,
}

/// What one rule means.
struct Ruling {
    resource: Resource,
    guard: Guard,
}

/// Whom a rule of others is about.
enum Standing {
    /// Clients of ours.
    Ours,
    /// A name that the code may know.
    Stranger,
    /// Such a name, where there are too many.
    Crowded,
}

/// Why a rule means nothing.
enum Nothing {
    /// It is said what is wrong with it.
    Bad,
    /// It is about something else.
    Other,
}

impl<'a> Reader<'_, 'a> {
    fn take_all(&self, rules: &Rules<'a>, into: &mut Ruled<'a>) {
        let mut skipping = Skipping::of(&rules.list);
        let trial = Trial::new();
        let items = match rules.is_ours {
            true => rules.list.items(),
            false => match rules.list.within(&trial).items() {
                Some(_) => rules.list.items(),
                None => None,
            },
        };
        if items.is_none() && !rules.is_ours {
            skipping.bad(trial.into_findings());
        }
        for item in items.iter().flatten() {
            // Each rule by itself: who writes one that cannot be had must not stop the others, nor the service.
            let trial = Trial::new();
            let ruling = self.ruling(rules, &item.within(&trial), &self.feign.within(&trial));
            let findings = trial.into_findings();
            match ruling {
                Err(Nothing::Other) => self.leave(rules, item, &mut skipping),
                _ if !findings.is_good() && !rules.is_ours => skipping.bad(findings),
                Err(Nothing::Bad) => item.say(findings, How::Said),
                Ok(ruling) if rules.is_ours => {
                    item.say(findings, How::Said);
                    ruling.add(rules, item, into);
                }
                Ok(ruling) => match self.standing(&ruling.resource, into) {
                    Standing::Crowded => skipping.crowded(),
                    standing => {
                        skipping.taken(match standing {
                            Standing::Ours => findings,
                            _ => findings.without_values(),
                        });
                        ruling.add(rules, item, into);
                    }
                },
            }
        }
        skipping.finish(&mut into.skipped);
    }

    /// Whom a rule of others is about.
    fn standing(&self, resource: &Resource, into: &mut Ruled<'a>) -> Standing {
        let name = match resource {
            Resource::All => return Standing::Ours,
            Resource::Client(name) | Resource::Method(name, _) => name.to_ascii_lowercase(),
        };
        if self.declared.contains(&name) {
            return Standing::Ours;
        }
        if into.strangers.len() >= MOST_NAMES && !into.strangers.contains(&name) {
            return Standing::Crowded;
        }
        into.strangers.insert(name);
        Standing::Stranger
    }

    fn ruling(
        &self,
        rules: &Rules<'_>,
        item: &Foreign<'_>,
        feign: &Section<'_>,
    ) -> Result<Ruling, Nothing> {
        let resource = match &rules.resource {
            Some(resource) => resource.clone(),
            None => resource_of(item)?,
        };
        // Read under the name that its values are shown by.
        let shown = match &resource {
            Resource::All => feign.section("defaults"),
            Resource::Client(name) | Resource::Method(name, _) => feign.absent("clients", name),
        };
        let guard = match rules.kind {
            RuleKind::Degrade => degrade::read(item, &shown).map(Guard::Breaker),
            RuleKind::Flow => flow::read(item),
        };
        let guard = guard.ok_or(Nothing::Bad)?;
        Ok(Ruling { resource, guard })
    }

    /// A rule about something else.
    fn leave(&self, rules: &Rules<'a>, item: &Foreign<'a>, skipping: &mut Skipping<'_, 'a>) {
        const WHAT: &str =
            "bounds something that no declared client calls, such as requests that arrive";
        let found = item.get("resource").unwrap_or_else(|| item.clone());
        match (rules.is_ours, self.leaves_others) {
            (false, _) => skipping.other(&found),
            (true, true) => found.left_alone(WHAT),
            (true, false) => found.problem(format!(
                "{WHAT}: it would have no effect here. Calls of a client are NAME, `http://NAME`, or those of one method \
                 `GET:http://NAME/path`; `feign.sentinel.others: ignore` leaves all else alone"
            )),
        }
    }
}

impl Ruling {
    fn add<'a>(self, rules: &Rules<'a>, item: &Foreign<'a>, into: &mut Ruled<'a>) {
        let topic = self.guard.topic();
        let told = || Told {
            is_from_elsewhere: !rules.is_ours,
            ..Told::at(item)
        };
        match self.resource {
            Resource::Method(client, method) => {
                let methods = into.methods.entry(client).or_default();
                let origin = format!(
                    "{} of {method} by {} ({})",
                    topic.name(),
                    item.path(),
                    item.written_at()
                );
                let ruled = methods.entry(method).or_default();
                ruled.origins.push(origin);
                ruled.has_ours |= rules.is_ours;
                self.guard.add_to(&mut ruled.guards);
            }
            Resource::Client(name) => {
                let saying = into.sayings.of_mut(&name);
                self.guard
                    .add_to(&mut saying.about_mut(topic, told).words.guards);
            }
            Resource::All => {
                let saying = &mut into.sayings.all;
                self.guard
                    .add_to(&mut saying.about_mut(topic, told).words.guards);
            }
        }
    }
}

fn resource_of(item: &Foreign<'_>) -> Result<Resource, Nothing> {
    let Some(found) = item.get("resource") else {
        item.problem("names no `resource`");
        return Err(Nothing::Bad);
    };
    let Some(text) = found.text() else {
        found.problem("names nothing");
        return Err(Nothing::Bad);
    };
    Resource::named(&text).ok_or(Nothing::Other)
}
