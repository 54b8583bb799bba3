//! Where rules stand.

use hallpass_config::{Foreign, ForeignText, How, Key, Kind, Section, Trial};

use super::super::switches::Switches;
use super::resource::Resource;

/// The keys of `feign.sentinel`.
pub(crate) const KEYS: &[Key] = &[
    Key::new("degrade-rules", Kind::Texts { what: "degrade rules, as Sentinel writes them" }, "Circuit breakers by resource.").otherwise("none"),
    Key::new("flow-rules", Kind::Texts { what: "flow rules, as Sentinel writes them" }, "Rates and bulkheads by resource.").otherwise("none"),
    Key::new("degrade-rules-file", Kind::File, "A file with such a list, in JSON or YAML. Its change is taken without a restart."),
    Key::new("flow-rules-file", Kind::File, "A file with such a list, in JSON or YAML. Its change is taken without a restart."),
    Key::new(
        "others",
        Kind::Choice(&["refuse", "ignore"]),
        "What becomes of rules in these keys that bound something else than calls of a client, such as requests that arrive: a problem, or left alone. \
        Those of data sources are left out with a warning, whatever stands here.",
    )
    .or("refuse"),
];

/// What a list of rules holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RuleKind {
    Degrade,
    Flow,
}

/// A list of rules.
pub(super) struct Rules<'a> {
    pub(super) kind: RuleKind,
    pub(super) list: Foreign<'a>,
    /// What they are all about, where the list says it and not each rule.
    pub(super) resource: Option<Resource>,
    /// Whether our own keys hold or name them: then what is wrong with one is a problem. Others may be written by somebody who is to bound
    /// calls and not to stop the service.
    pub(super) is_ours: bool,
}

/// All lists of rules.
pub(super) struct Lists<'a> {
    pub(super) rules: Vec<Rules<'a>>,
    /// Files of data sources that are none.
    pub(super) unreadable: usize,
}

/// The files that hold rules, each with the key that names it.
#[derive(Debug, Default)]
pub(in super::super) struct SentinelTexts<'a> {
    files: Vec<RuleFile<'a>>,
    unreadable: usize,
}

#[derive(Debug)]
struct RuleFile<'a> {
    kind: RuleKind,
    named_by: Foreign<'a>,
    text: ForeignText,
    is_ours: bool,
}

/// Where documents of rules are put that come from elsewhere, such as Nacos: at the root, in
/// [`YamlText::below`](hallpass_config::YamlText::below) of this name, `degrade` or `flow`, and a name of their own (`GROUP/DATA-ID`).
pub const SENTINEL_DOCUMENTS: &str = "nacos-sentinel-rules";
/// In place of `degrade` or `flow` in such a path: a document that is no list. What stands there does not matter.
pub const UNREADABLE_RULES: &str = "unreadable";

/// Where Spring Cloud Alibaba has them.
const DATA_SOURCES: &[&str] = &["spring", "cloud", "sentinel", "datasource"];
/// Where its circuit breaker has them.
const FEIGN_RULES: &[&str] = &["feign", "sentinel"];

/// Reads the files that hold rules.
pub(in super::super) fn texts<'a>(
    feign: &Section<'a>,
    switches: Switches<'_, 'a>,
) -> SentinelTexts<'a> {
    let section = feign.section("sentinel");
    let mut texts = SentinelTexts::default();
    for (key, kind) in [
        ("degrade-rules-file", RuleKind::Degrade),
        ("flow-rules-file", RuleKind::Flow),
    ] {
        if let Some(named_by) = section.raw(key)
            && let Some(text) = ForeignText::named_by(&named_by)
        {
            texts.files.push(RuleFile {
                kind,
                named_by,
                text,
                is_ours: true,
            });
        }
    }
    let is_on = switches.sentinel();
    let sources = data_sources(feign, is_on).into_iter();
    for source in sources.filter(|_| is_on) {
        if let Some((kind, named_by)) = source.file() {
            let trial = Trial::new();
            let text = ForeignText::tried(&named_by, &trial);
            named_by.say(
                trial.into_findings(),
                How::Warned("no rule of it is in effect"),
            );
            match text {
                Some(text) => texts.files.push(RuleFile {
                    kind,
                    named_by,
                    text,
                    is_ours: false,
                }),
                None => texts.unreadable = texts.unreadable.saturating_add(1),
            }
        }
    }
    texts
}

/// A document of Nacos that holds rules, named by a data source of Spring Cloud Alibaba.
#[derive(Clone, Debug)]
pub struct RuleDocument<'a> {
    /// Its group.
    pub group: String,
    /// Its data id.
    pub data_id: String,
    /// Where its text belongs: see [`SENTINEL_DOCUMENTS`].
    pub path: [String; 3],
    /// What names it.
    pub source: Foreign<'a>,
    /// Whether `feign.sentinel.enabled` is true; `feign.estate`, which may name Sentinel as well, is not looked at.
    pub is_switched_on: bool,
}

impl<'a> RuleDocument<'a> {
    /// Those that the files of `section`, any section of the configuration, name.
    #[must_use]
    pub fn all(section: &Section<'a>) -> Vec<Self> {
        let is_on = Switches::of(section, false).sentinel();
        let sources = data_sources(section, is_on).into_iter();
        let sources = sources.filter(|source| source.product == "nacos");
        sources.filter_map(|source| source.document()).collect()
    }
}

/// All lists of rules, ours first.
pub(super) fn all<'a>(
    feign: &Section<'a>,
    texts: &'a SentinelTexts<'a>,
    switches: Switches<'_, 'a>,
) -> Lists<'a> {
    let section = feign.section("sentinel");
    let plain = |kind, list, is_ours| Rules {
        kind,
        list,
        resource: None,
        is_ours,
    };
    let mut rules = Vec::new();
    for (key, kind) in [
        ("degrade-rules", RuleKind::Degrade),
        ("flow-rules", RuleKind::Flow),
    ] {
        rules.extend(section.raw(key).map(|list| plain(kind, list, true)));
    }
    let files = texts.files.iter();
    rules.extend(files.map(|it| plain(it.kind, it.text.value(&it.named_by), it.is_ours)));
    let mut unreadable = texts.unreadable;
    let sources = data_sources(feign, switches.sentinel());
    let documents = feign.foreign(&[SENTINEL_DOCUMENTS]);
    if switches.sentinel() {
        for (name, kind) in [("degrade", RuleKind::Degrade), ("flow", RuleKind::Flow)] {
            let lists = documents.iter().filter_map(|it| it.get(name));
            let lists: Vec<_> = lists.collect();
            for (_, list) in lists.iter().flat_map(Foreign::entries) {
                rules.push(plain(kind, list, false));
            }
        }
        let broken = documents.as_ref().and_then(|it| it.get(UNREADABLE_RULES));
        for (_, document) in broken.iter().flat_map(Foreign::entries) {
            document
                .warn("is no list of rules: what it held before, if that was one, stays in effect");
            unreadable = unreadable.saturating_add(1);
        }
        for source in &sources {
            source.check(documents.as_ref());
        }
    } else if let Some(source) = sources.first() {
        source.at.warn(
            "has rules that bound no Feign client, as `feign.sentinel.enabled` is not true: set it, or write `feign.estate: [sentinel]` to \
             take them",
        );
    }
    if switches.sentinel() || switches.circuit_breakers() {
        rules.extend(of_breakers(feign));
    }
    Lists { rules, unreadable }
}

/// One source of rules of Spring Cloud Alibaba.
struct DataSource<'a> {
    /// `nacos`, `file` and others.
    product: &'a str,
    at: Foreign<'a>,
    /// Whether anybody asks for its rules.
    is_on: bool,
}

fn data_sources<'a>(feign: &Section<'a>, is_on: bool) -> Vec<DataSource<'a>> {
    let Some(found) = feign.foreign(DATA_SOURCES) else {
        return Vec::new();
    };
    if Switches::of(feign, false).no_sentinel().is_some() {
        found.left_alone("does not count: `spring.cloud.sentinel.enabled` is false");
        return Vec::new();
    }
    let sources = found.entries().flat_map(|(_, source)| {
        let products: Vec<_> = source.entries().collect();
        products
    });
    sources
        .map(|(product, at)| DataSource { product, at, is_on })
        .collect()
}

impl<'a> DataSource<'a> {
    /// The document that one of Nacos names.
    fn document(&self) -> Option<RuleDocument<'a>> {
        let (kind, group, data_id) = self.tried(|source| {
            let kind = match source.kind()? {
                RuleKind::Degrade => "degrade",
                RuleKind::Flow => "flow",
            };
            let data_id = source.at.get("data-id")?.text()?;
            let group = source.at.get("group-id").and_then(|it| it.text());
            let group = group.unwrap_or_else(|| "DEFAULT_GROUP".to_owned());
            Some((kind, group, data_id))
        })?;
        let name = format!("{group}/{data_id}");
        Some(RuleDocument {
            group,
            data_id,
            path: [SENTINEL_DOCUMENTS.to_owned(), kind.to_owned(), name],
            source: self.at.clone(),
            is_switched_on: self.is_on,
        })
    }

    /// What rules a file has, and what names it.
    fn file(&self) -> Option<(RuleKind, Foreign<'a>)> {
        let kind = self.tried(|source| {
            let has_file = source.product == "file" && source.at.get("file").is_some();
            has_file.then(|| source.kind()).flatten()
        })?;
        Some((kind, self.at.get("file")?))
    }

    /// What `read` makes of it. What cannot be read may be filled in by a file that services of Spring alone read, `bootstrap.yml`, and may be
    /// about requests that arrive at these: it is no problem, and the source is not read.
    fn tried<T>(&self, read: impl FnOnce(&DataSource<'_>) -> Option<T>) -> Option<T> {
        const NOT_READ: &str = "this source of rules is not read";
        let trial = Trial::new();
        let found = read(&DataSource {
            product: self.product,
            at: self.at.within(&trial),
            is_on: self.is_on,
        });
        let findings = trial.into_findings();
        let found = found.filter(|_| findings.is_good());
        self.at.say(
            findings,
            match self.is_on {
                true => How::Warned(NOT_READ),
                false => How::LeftAlone(NOT_READ),
            },
        );
        found
    }

    fn kind(&self) -> Option<RuleKind> {
        let text = self.at.get("rule-type")?.text()?;
        match text.to_ascii_lowercase().as_str() {
            "degrade" => Some(RuleKind::Degrade),
            "flow" => Some(RuleKind::Flow),
            _ => None,
        }
    }

    /// Says what is not read. None of it is a problem: it may be for the requests that arrive at services of Spring.
    fn check(&self, documents: Option<&Foreign<'_>>) {
        self.check_form();
        if self.tried(|source| Some(source.has_rules_of_calls())) != Some(true) {
            return;
        }
        match self.product {
            "file" => {}
            "nacos" => {
                let wanted = self.document();
                let is_read = wanted.is_some_and(|wanted| {
                    let [_, kind, name] = &wanted.path;
                    let has = |kind: &str| {
                        let known = documents.and_then(|it| it.get(kind));
                        known.is_some_and(|it| it.entries().any(|(known, _)| known == name))
                    };
                    has(kind) || has(UNREADABLE_RULES)
                });
                if !is_read {
                    self.at.warn(
                        "is not there, or was not asked for: this service asks the Nacos of `nacos.server-addr`, at its start, for the \
                         sources that its files name",
                    );
                }
            }
            _ => self
                .at
                .warn("is a source of rules that is not read here, as `nacos` and `file` are"),
        }
    }

    fn check_form(&self) {
        let trial = Trial::new();
        let text = self.at.within(&trial).get("data-type");
        let text = text.and_then(|it| it.text());
        self.at
            .say(trial.into_findings(), How::Warned("it is taken for json"));
        if text.is_some_and(|text| !text.eq_ignore_ascii_case("json"))
            && let Some(data_type) = self.at.get("data-type")
        {
            data_type.warn("is another form than json, which is the only one that is read here");
        }
    }

    /// Whether its rules may be about calls of clients; else it is said of them.
    fn has_rules_of_calls(&self) -> bool {
        let kind = self.kind();
        if kind.is_none() {
            let found = self.at.get("rule-type").unwrap_or_else(|| self.at.clone());
            found.left_alone(
                "has rules that are neither `flow` nor `degrade`: they bound requests that arrive, or the whole process, and have no effect here",
            );
        }
        kind.is_some()
    }
}

/// `feign.sentinel.rules`: degrade rules by the name of what they are about.
fn of_breakers<'a>(feign: &Section<'a>) -> Vec<Rules<'a>> {
    let Some(found) = feign.foreign(FEIGN_RULES) else {
        return Vec::new();
    };
    let trial = Trial::new();
    let default = found.within(&trial).get("default-rule");
    let default = default.and_then(|it| it.text());
    found.say(trial.into_findings(), How::Warned("`default` counts"));
    let default = default.unwrap_or_else(|| "default".to_owned());
    let rules = found.get("rules");
    let rules = rules.iter().flat_map(Foreign::entries);
    let rules = rules.map(|(name, list)| Rules {
        kind: RuleKind::Degrade,
        list,
        is_ours: false,
        resource: Some(match name == default {
            true => Resource::All,
            false => Resource::Client(name.to_owned()),
        }),
    });
    rules.collect()
}
