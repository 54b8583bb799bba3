//! `nacos.config`: which documents are configuration.

use std::time::Duration;

use hallpass_config::{Key, Kind, Section};

use super::names::{checked_id, checked_name};

const DEFAULT_GROUP: &str = "DEFAULT_GROUP";
const DEFAULT_PULL: Duration = Duration::from_secs(10);
/// Most documents.
const MAX_DOCUMENTS: usize = 64;
/// What a document may be written in.
const ENDINGS: [&str; 4] = [".yaml", ".yml", ".json", ".properties"];

const DOCUMENT_KEYS: &[Key] = &[
    Key::new(
        "data-id",
        Kind::Text { what: "" },
        "Its data id, with `.yaml`, `.yml`, `.json` or `.properties` at its end.",
    )
    .required(),
    Key::new("group", Kind::Text { what: "" }, "Its group.").or(DEFAULT_GROUP),
    Key::new(
        "refresh",
        Kind::Flag,
        "Whether a change is taken while this process runs.",
    )
    .or("true"),
    Key::new(
        "optional",
        Kind::Flag,
        "Whether it may be absent. One that has to be there and is deleted while this process runs changes nothing: the \
        last good one stays in effect.",
    )
    .or("false"),
];

pub(super) const KEYS: &[Key] = &[
    Key::new(
        "data-ids",
        Kind::Texts { what: "data ids" },
        "Documents of this service, such as `service-system.yaml`, in `group`. A later one wins over an earlier one, and \
        all of them over `extension-configs` and `shared-configs`.",
    )
    .otherwise("none"),
    Key::new(
        "group",
        Kind::Text { what: "" },
        "The group of `data-ids`.",
    )
    .or(DEFAULT_GROUP),
    Key::new(
        "shared-configs",
        Kind::Sections(DOCUMENT_KEYS),
        "Documents that many services share. All others win over them.",
    ),
    Key::new(
        "extension-configs",
        Kind::Sections(DOCUMENT_KEYS),
        "Further documents of this service, each with a group of its own.",
    ),
    Key::new(
        "namespace",
        Kind::Text { what: "id of a namespace" },
        "Where these documents are, if not in `nacos.namespace`.",
    )
    .otherwise("`nacos.namespace`"),
    Key::new(
        "pull-seconds",
        Kind::seconds(1, 3_600),
        "How often the server is asked whether a document has changed, beside what it says by itself.",
    )
    .or("10"),
];

/// `nacos.config`: which documents are configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigSettings {
    /// `shared-configs`, `extension-configs` and `data-ids`, in this order: a later one wins over an earlier one.
    pub documents: Vec<DocumentSettings>,
    /// `namespace`, if it is another than that of `nacos`.
    pub namespace: Option<String>,
    /// `pull-seconds`: how often the server is asked beside what it says by itself.
    pub pull: Duration,
}

impl Default for ConfigSettings {
    fn default() -> Self {
        Self {
            documents: Vec::new(),
            namespace: None,
            pull: DEFAULT_PULL,
        }
    }
}

/// One document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentSettings {
    /// `data-id`.
    pub data_id: String,
    /// `group`.
    pub group: String,
    /// `refresh`: whether a change is taken while the process runs.
    pub refresh: bool,
    /// `optional`: whether it may be absent.
    pub optional: bool,
}

impl DocumentSettings {
    /// A document of `DEFAULT_GROUP` that has to be there and is followed.
    #[must_use]
    pub fn new(data_id: impl Into<String>) -> Self {
        Self {
            data_id: data_id.into(),
            group: DEFAULT_GROUP.to_owned(),
            refresh: true,
            optional: false,
        }
    }

    /// The same in another group.
    #[must_use]
    pub fn in_group(mut self, group: impl Into<String>) -> Self {
        self.group = group.into();
        self
    }

    fn read(section: &Section<'_>) -> Option<Self> {
        let data_id = section.required("data-id", |section, key| {
            section.checked(key, checked_data_id)
        });
        let group = section.checked("group", checked_id);
        let (refresh, optional) = (section.flag("refresh"), section.flag("optional"));
        Some(Self {
            data_id: data_id?,
            group: group?,
            refresh: refresh?,
            optional: optional?,
        })
    }
}

impl ConfigSettings {
    pub(super) fn read(section: &Section<'_>) -> Option<Self> {
        let group = section.checked("group", checked_id);
        let own = match section.has("data-ids") {
            true => section.texts("data-ids", checked_data_id),
            false => Some(Vec::new()),
        };
        let read_list = |key: &str| {
            let sections = section.sections(key);
            let read: Vec<_> = sections.iter().map(DocumentSettings::read).collect();
            read.into_iter().collect::<Option<Vec<_>>>()
        };
        let (shared, extensions) = (read_list("shared-configs"), read_list("extension-configs"));
        let namespace = section.checked("namespace", checked_name);
        let pull = section.seconds("pull-seconds");
        let (group, own) = (group?, own?);
        let own = own
            .into_iter()
            .map(|data_id| DocumentSettings::new(data_id).in_group(&*group));
        let documents: Vec<_> = shared?.into_iter().chain(extensions?).chain(own).collect();
        let mut seen = Vec::new();
        for document in &documents {
            let id = (&document.group, &document.data_id);
            if seen.contains(&id) {
                section.problem(
                    "data-ids",
                    "a document stands here, or in a list beside it, twice",
                );
                return None;
            }
            seen.push(id);
        }
        if documents.len() > MAX_DOCUMENTS {
            section.problem("data-ids", "more than 64 documents in all");
            return None;
        }
        Some(Self {
            documents,
            namespace,
            pull: pull?,
        })
    }
}

fn checked_data_id(text: &str) -> Result<String, &'static str> {
    match ENDINGS.iter().any(|ending| text.ends_with(ending)) {
        true => checked_id(text),
        false => Err("must end with .yaml, .yml, .json or .properties"),
    }
}
