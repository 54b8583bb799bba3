//! Whose words count where several speak.

use hallpass_config::{How, Section};
use hallpass_upstream::GuardSettings;

use super::layers::Layers;
use super::product::Product;
use super::saying::{Sayings, Told};
use super::topic::Topic;

const OURS_COUNTS: &str = "does not count: `feign` says it";

/// What all products say, the first to be believed first.
#[derive(Debug)]
pub(super) struct Heard<'a> {
    said: Vec<(Product, Sayings<'a>)>,
    are_ordered: bool,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(super) struct Asked<'s, 'a> {
    /// A client, or all of them.
    pub(super) name: Option<&'s str>,
    /// Where it is said what is wrong.
    pub(super) to: &'s Section<'a>,
    /// The sections of ours that are about it, its own first.
    pub(super) ours: &'s [&'s Section<'a>],
}

/// What one product says about a topic.
#[derive(Clone, Copy)]
struct Voice<'h, 'a> {
    product: Product,
    told: &'h Told<'a>,
    is_named: bool,
}

impl<'a> Heard<'a> {
    pub(super) const fn new(are_ordered: bool) -> Self {
        Self {
            said: Vec::new(),
            are_ordered,
        }
    }

    pub(super) fn add(&mut self, product: Product, sayings: Sayings<'a>) {
        self.said.push((product, sayings));
    }

    /// Who is spoken of by name.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.said.iter().flat_map(|(_, said)| said.names())
    }

    /// Where each product begins to speak of this name.
    pub(super) fn places(&self, name: &str) -> impl Iterator<Item = &hallpass_config::Foreign<'a>> {
        let of_name = self.said.iter().filter_map(move |(_, said)| said.of(name));
        of_name.filter_map(|said| said.first())
    }

    /// Whether nothing is said of this name but by rules that others write.
    pub(super) fn is_of_others(&self, name: &str) -> bool {
        let of_name = self.said.iter().filter_map(|(_, said)| said.of(name));
        let mut told =
            of_name.flat_map(|said| Topic::ALL.into_iter().filter_map(|it| said.about(it)));
        told.all(|told| told.is_from_elsewhere)
    }

    /// Whether a product says something about the topic of the client `name` alone.
    pub(super) fn has_named(&self, topic: Topic, name: &str) -> bool {
        let of_name = self.said.iter().filter_map(|(_, said)| said.of(name));
        let told = of_name.filter_map(|said| said.about(topic));
        told.into_iter().any(|told| !told.words.are_none())
    }

    /// What is said of a client, or of all. Of what two products speak of, none counts where sections of ours speak of it too; and where they
    /// do not it is a problem, unless `estate` says which goes first.
    pub(super) fn of(&self, asked: &Asked<'_, '_>) -> Layers {
        let ours = asked.ours;
        let mut layers = Layers::default();
        for topic in Topic::ALL {
            let Some((told, is_named)) = self.one(topic, asked) else {
                continue;
            };
            let mut told = told.clone();
            for key in ours.iter().flat_map(|section| topic.taken_in(section)) {
                told.words.explicit.remove(key);
                told.words.otherwise.remove(key);
                // By default as many as that window of theirs has.
                told.words.otherwise.remove("service.breaker.minimum-calls");
            }
            let is_own = ours.first().is_some_and(|own| topic.is_in(own));
            let is_ours = is_own || (!is_named && ours.iter().any(|section| topic.is_in(section)));
            if is_ours && !told.words.guards.is_empty() {
                asked.to.hears(&told.at).left_alone(OURS_COUNTS);
                told.words.guards = GuardSettings::default();
            }
            if !is_ours {
                layers.note(topic, &told);
            }
            layers.add(topic, &told, is_named);
            // Who says it by our own key need not mend what others read.
            asked.to.say(
                told.findings,
                match is_ours {
                    true => How::LeftAlone("`feign` says it here"),
                    false => How::Said,
                },
            );
        }
        layers
    }

    /// Who speaks about a topic, and whether by name.
    pub(super) fn one(&self, topic: Topic, asked: &Asked<'_, '_>) -> Option<(&Told<'a>, bool)> {
        let mut voices = self.voices(topic, asked.name);
        // Who has nothing to say keeps nobody else from it.
        match voices.iter().any(|it| !it.told.is_silent()) {
            true => voices.retain(|it| !it.told.is_silent()),
            false => voices.truncate(1),
        }
        if !self.are_ordered {
            let bound = voices.iter().find(|it| it.product != Product::OpenFeign);
            if bound.is_some() {
                set_aside(&mut voices, asked, |it| it.product == Product::OpenFeign);
            }
            if voices.iter().any(|it| !it.told.is_from_elsewhere) {
                set_aside(&mut voices, asked, |it| it.told.is_from_elsewhere);
            }
        }
        let (first, others) = voices.split_first()?;
        if others.is_empty() || self.are_ordered {
            for other in others {
                let message = "does not count: `feign.estate` names another product first";
                asked.to.hears(&other.told.at).left_alone(message);
            }
            return Some((first.told, first.is_named));
        }
        let is_ours = asked.ours.iter().any(|section| topic.is_in(section));
        for other in others {
            let at = asked.to.hears(&other.told.at);
            match is_ours {
                true => at.left_alone(OURS_COUNTS),
                false => at.problem(says_again(first, other)),
            }
        }
        if is_ours {
            asked.to.hears(&first.told.at).left_alone(OURS_COUNTS);
        }
        None
    }

    fn voices(&self, topic: Topic, name: Option<&str>) -> Vec<Voice<'_, 'a>> {
        let voices = self.said.iter().filter_map(|(product, said)| {
            let named = name
                .and_then(|name| said.of(name))
                .and_then(|it| it.about(topic));
            let (told, is_named) = match named {
                Some(told) => (told, true),
                None => (said.all.about(topic)?, false),
            };
            Some(Voice {
                product: *product,
                told,
                is_named,
            })
        });
        voices.collect()
    }
}

/// Takes some voices out. OpenFeign's timeouts bound what others bound as well; and what is written elsewhere while the process runs must not
/// make a configuration unusable that was good.
fn set_aside(
    voices: &mut Vec<Voice<'_, '_>>,
    asked: &Asked<'_, '_>,
    is_it: impl Fn(&Voice<'_, '_>) -> bool,
) {
    let Some(kept) = voices.iter().find(|it| !is_it(it)).copied() else {
        return;
    };
    for voice in voices.iter().filter(|it| is_it(it)) {
        let at = asked.to.hears(&voice.told.at);
        let (kept, path) = (kept.product.name(), kept.told.at.path());
        let second = voice.product.name();
        match voice.told.is_from_elsewhere {
            true => at.warn(&format!(
                "does not count: {path} says it already; `feign.estate: [{second}, {kept}]` lets {second} go first"
            )),
            false => at.left_alone(&format!("does not count: {path} says it already")),
        }
    }
    voices.retain(|it| !is_it(it));
}

fn says_again(first: &Voice<'_, '_>, other: &Voice<'_, '_>) -> String {
    let (at, path) = (first.told.at.written_at(), first.told.at.path());
    let (first, second) = (first.product.name(), other.product.name());
    format!(
        "says again what {path} says at {at}, by {second} and {first}: keep one of them, or say which goes first, \
         `feign.estate: [{first}, {second}]`"
    )
}
