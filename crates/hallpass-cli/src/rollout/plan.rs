//! The plan: which services, in which order, by which steps.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use hallpass::config::{
    Configuration, Key, Kind, Section, has_credentials, report_doubles, strict_url,
};

use super::step::Step;

/// Most instances of a service that are asked.
const MAX_INSTANCES: usize = 1_000;
/// What is written when the plan does not say where.
const RECORD: &str = "rollout-record.jsonl";
const REPORTS: &str = "rollout-reports";

const KEYS: &[Key] = &[
    Key::new(
        "watch-seconds",
        Kind::seconds(0, 366 * 86_400),
        "How long a step is watched before the next one is taken.",
    )
    .or("86400"),
    Key::new(
        "steps",
        Kind::Sections(STEP_KEYS),
        "The steps, each stricter than the one before.",
    )
    .otherwise("`report`, 1, 10, 50 and 100 percent"),
    Key::new(
        "wait-seconds",
        Kind::seconds(1, 3_600),
        "How long the instances may take until they say that they are at a step.",
    )
    .or("60"),
    Key::new(
        "accept",
        Kind::Texts { what: "callers" },
        "Callers that are to be denied, in all services.",
    ),
    Key::new(
        "record",
        Kind::File,
        "The change record; each change is one line more.",
    )
    .otherwise("`rollout-record.jsonl` beside the plan"),
    Key::new(
        "reports",
        Kind::File,
        "The folder of the acceptance reports.",
    )
    .otherwise("`rollout-reports` beside the plan"),
    Key::new(
        "services",
        Kind::Sections(SERVICE_KEYS),
        "The services, in order.",
    )
    .required(),
];

const STEP_KEYS: &[Key] = &[
    Key::new(
        "step",
        Kind::Text {
            what: "`report`, a percentage, `enforce`",
        },
        "How far.",
    )
    .required(),
    Key::new(
        "watch-seconds",
        Kind::seconds(0, 366 * 86_400),
        "How long the step before it is watched.",
    )
    .otherwise("that of the plan"),
];

const SERVICE_KEYS: &[Key] = &[
    Key::new("name", Kind::Text { what: "" }, "Its name.").required(),
    Key::new("file", Kind::File, "The file with its configuration."),
    Key::new(
        "nacos",
        Kind::Section(NACOS_KEYS),
        "The document in Nacos instead.",
    ),
    Key::new(
        "prefix",
        Kind::Text { what: "" },
        "The top-level key of its configuration.",
    )
    .otherwise("`hallpass` or `scccy`, whichever is there"),
    Key::new(
        "metrics",
        Kind::Texts { what: "URLs" },
        "Where each of its instances gives out metrics.",
    )
    .required(),
    Key::new(
        "accept",
        Kind::Texts { what: "callers" },
        "Callers that are to be denied, and `ROUTE REASON` of handlers that are to refuse.",
    ),
    Key::new(
        "allow-idle",
        Kind::Flag,
        "Whether an instance that no call has come to since it was started is good enough.",
    )
    .or("false"),
];

const NACOS_KEYS: &[Key] = &[
    Key::new("data-id", Kind::Text { what: "" }, "Its data id.").required(),
    Key::new("group", Kind::Text { what: "" }, "Its group.").or("DEFAULT_GROUP"),
];

/// A plan that can be followed.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// In the order in which they are taken, each with how long the step before it is watched, in seconds.
    steps: Vec<(Step, u64)>,
    /// How long the last step is watched until it is accepted, in seconds.
    watch_seconds: u64,
    pub(crate) wait_seconds: u64,
    record: Option<PathBuf>,
    reports: Option<PathBuf>,
    pub(crate) services: Vec<PlannedService>,
}

/// One service.
#[derive(Clone, Debug)]
pub(crate) struct PlannedService {
    pub(crate) name: String,
    pub(crate) place: Place,
    /// The root of its configuration; without it, the one that is there.
    pub(crate) prefix: Option<String>,
    pub(crate) metrics: Vec<String>,
    /// Who is to be denied, by the plan as a whole too.
    pub(crate) accepted: Vec<String>,
    /// Whether an instance that no call has come to is good enough.
    pub(crate) allows_idle: bool,
}

/// Where a configuration is kept.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    File(PathBuf),
    Nacos { data_id: String, group: String },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Nacos { data_id, group } => write!(f, "nacos {group}/{data_id}"),
        }
    }
}

impl Plan {
    pub(crate) fn steps(&self) -> impl Iterator<Item = Step> {
        self.steps.iter().map(|(step, _)| *step)
    }

    /// The next step of the plan after `current`; none after the last.
    pub(crate) fn after(&self, current: Step) -> Option<Step> {
        self.steps().find(|step| *step > current)
    }

    /// The step of the plan before `current`; `off` before the first.
    pub(crate) fn before(&self, current: Step) -> Step {
        let earlier = self.steps().filter(|step| *step < current);
        earlier.last().unwrap_or(Step::Off)
    }

    /// How long a service must have been watched until `next` is taken, or the last step accepted, in seconds.
    pub(crate) fn watch_seconds(&self, next: Option<Step>) -> u64 {
        let own = self.steps.iter().find(|(step, _)| Some(*step) == next);
        own.map_or(self.watch_seconds, |(_, seconds)| *seconds)
    }

    /// For how long somebody who would be denied counts: whoever was seen at one step would be denied by the next, however short that one
    /// is watched.
    pub(crate) fn counts_seconds(&self, next: Option<Step>) -> u64 {
        let own = self.steps.iter().map(|(_, seconds)| *seconds);
        let longest = own.max().unwrap_or(0).max(self.watch_seconds);
        match self.watch_seconds(next) {
            0 if longest == 0 => 0,
            _ => longest,
        }
    }

    /// The file of the change record of a plan in `file`.
    pub(crate) fn record(&self, file: &Path) -> PathBuf {
        let beside = || file.with_file_name(RECORD);
        self.record.clone().unwrap_or_else(beside)
    }

    /// The folder of the acceptance reports of a plan in `file`.
    pub(crate) fn reports(&self, file: &Path) -> PathBuf {
        let beside = || file.with_file_name(REPORTS);
        self.reports.clone().unwrap_or_else(beside)
    }
}

impl Configuration for Plan {
    fn keys() -> Vec<Key> {
        vec![Key::new(
            "rollout",
            Kind::Section(KEYS),
            "A plan to roll verification out.",
        )]
    }

    fn read(root: &Section<'_>) -> Option<Self> {
        let section = root.section("rollout");
        if !section.is_given() {
            root.problem("rollout", "is required: the plan");
            return None;
        }
        let watch = section.whole("watch-seconds");
        let wait = section.whole("wait-seconds");
        let accepted = texts(&section, "accept");
        let record = section.has("record").then(|| section.file("record"));
        let reports = section.has("reports").then(|| section.file("reports"));
        let listed = section.sections("services");
        report_doubles(&listed, "name");
        if listed.is_empty() {
            section.problem("services", "is required: at least one");
        }
        let services = listed.iter().map(|it| service(it, accepted.as_deref()?));
        // All of them are read before the first `?`, so that all problems are told at once.
        let services: Vec<_> = services.collect();
        let services: Vec<_> = services.into_iter().collect::<Option<_>>()?;
        if !are_apart(&section, &services) {
            return None;
        }
        let steps = steps(&section, watch?)?;
        Some(Self {
            steps,
            watch_seconds: watch?,
            wait_seconds: wait?,
            record: record.flatten(),
            reports: reports.flatten(),
            services,
        })
    }
}

/// Whether no instance stands under two services: one of them would be judged by the calls of the other.
fn are_apart(section: &Section<'_>, services: &[PlannedService]) -> bool {
    let mut known = BTreeMap::new();
    for service in services {
        for url in &service.metrics {
            if let Some(other) = known.insert(url, &service.name) {
                let name = &service.name;
                section.problem(
                    "services",
                    format!("`{other}` and `{name}` have the same URL in `metrics`"),
                );
                return false;
            }
        }
    }
    true
}

fn texts(section: &Section<'_>, key: &str) -> Option<Vec<String>> {
    if !section.has(key) {
        return Some(Vec::new());
    }
    section.texts(key, |text| match text.is_empty() {
        true => Err("must not be empty"),
        false => Ok(text.to_owned()),
    })
}

fn steps(section: &Section<'_>, watch: u64) -> Option<Vec<(Step, u64)>> {
    if !section.has("steps") {
        let usual = [1, 10, 50, 100].map(Step::Enforce);
        let all = [Step::Report].into_iter().chain(usual);
        return Some(all.map(|step| (step, watch)).collect());
    }
    let read = |it: &Section<'_>| {
        let step = it.required("step", |it, key| it.checked(key, Step::parse));
        let own = match it.has("watch-seconds") {
            true => it.whole("watch-seconds"),
            false => Some(watch),
        };
        Some((step?, own?))
    };
    let listed: Vec<_> = section.sections("steps").iter().map(read).collect();
    let steps: Vec<_> = listed.into_iter().collect::<Option<_>>()?;
    let grows = steps.is_sorted_by(|(before, _), (after, _)| before < after);
    // Whoever would be denied by the first percentage is known from there alone.
    let counts_first = steps.first().is_some_and(|(step, _)| *step == Step::Report);
    if !grows || !counts_first {
        section.problem(
            "steps",
            "must begin with `report`, and each be stricter than the one before",
        );
        return None;
    }
    Some(steps)
}

fn service(section: &Section<'_>, accepted: &[String]) -> Option<PlannedService> {
    let name = section.required("name", Section::service_name);
    let place = place(section);
    let prefix = section.has("prefix").then(|| section.name("prefix"));
    let metrics = section.required("metrics", |it, key| it.texts(key, url));
    let own = texts(section, "accept");
    let allows_idle = section.flag("allow-idle");
    let metrics: Vec<String> = metrics?;
    if metrics.is_empty() || metrics.len() > MAX_INSTANCES {
        section.problem(
            "metrics",
            "must be from 1 to 1000 URLs, one for each instance",
        );
        return None;
    }
    let distinct: BTreeSet<_> = metrics.iter().collect();
    if distinct.len() < metrics.len() {
        section.problem("metrics", "has a URL twice");
        return None;
    }
    Some(PlannedService {
        name: name?,
        place: place?,
        prefix: match prefix {
            Some(prefix) => Some(prefix?),
            None => None,
        },
        metrics,
        accepted: accepted.iter().cloned().chain(own?).collect(),
        allows_idle: allows_idle?,
    })
}

fn place(section: &Section<'_>) -> Option<Place> {
    match (section.has("file"), section.has("nacos")) {
        (true, false) => section.file("file").map(Place::File),
        (false, true) => {
            let nacos = section.section("nacos");
            let text = |it: &Section<'_>, key: &str| it.name(key);
            let (data_id, group) = (nacos.required("data-id", text), nacos.name("group"));
            Some(Place::Nacos {
                data_id: data_id?,
                group: group?,
            })
        }
        _ => {
            section.problem("file", "is required: either `file` or `nacos`");
            None
        }
    }
}

fn url(text: &str) -> Result<String, &'static str> {
    let url = strict_url(text).filter(|url| matches!(url.scheme(), "http" | "https"));
    match url {
        Some(url) if has_credentials(&url) => Err("must hold no user name and no password"),
        Some(_) => Ok(text.to_owned()),
        None => Err("must be a URL that begins with `http://` or `https://`"),
    }
}

#[cfg(test)]
mod tests;
