//! Files and texts, read and merged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::canonical::{Canonical, Strangers};
use crate::files;
use crate::key::Key;
use crate::key_path::{self, Segment};
use crate::merge::Merge;
use crate::node::{Entry, Node, Value};
use crate::place::{Place, Source};
use crate::placeholder::Variables;
use crate::profiles::{Profiles, Standing};
use crate::report::Report;
use crate::secret::Secret;
use crate::yaml;
use crate::yaml_text::{MAX_SOURCE_BYTES, YamlText};

/// The root that no estate but ours has.
const OWN_PREFIX: &str = "hallpass";
/// The roots that files of an estate have; a program reads one of them.
pub(super) const ROOTS: [&str; 2] = [OWN_PREFIX, "scccy"];

/// A source in YAML.
#[derive(Clone, Debug)]
pub(super) enum Document {
    File(PathBuf),
    /// A file that was read already, and could be read once only.
    Held {
        path: PathBuf,
        text: Secret,
    },
    Text(YamlText),
}

/// What the sources say.
#[derive(Debug)]
pub(super) struct Read {
    /// What stands below the prefix.
    pub(super) tree: Node,
    /// Everything that stands in documents which count, for placeholders that refer to it.
    pub(super) properties: Node,
    pub(super) profiles: Profiles,
}

/// One YAML document.
struct Part {
    node: Node,
    /// The same with its dotted keys taken apart.
    properties: Node,
    /// Which source it stands in.
    rank: usize,
}

/// How documents are read.
#[derive(Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) prefix: &'a str,
    /// Those below it.
    pub(super) keys: &'a [Key],
    pub(super) variables: &'a Variables,
    pub(super) report: &'a Report,
}

impl Reader<'_> {
    /// All documents as one tree of what stands below the prefix; `None` if one cannot be read.
    pub(super) fn read(self, documents: &[Document]) -> Option<Read> {
        let mut whole = Place::whole(&Source::literal("configuration".to_owned(), 0));
        let mut parts = Vec::new();
        let mut all_read = true;
        for (rank, document) in documents.iter().enumerate() {
            let source = document.source(rank);
            if rank == 0 {
                whole = Place::whole(&source);
            }
            match document.read(&source, self.report) {
                Ok(nodes) => parts.extend(nodes.into_iter().map(|node| Part::new(node, rank))),
                Err((place, message)) => {
                    self.report.problem(&place, "", message);
                    all_read = false;
                }
            }
        }
        all_read.then(|| self.merge(whole, parts))
    }

    /// Merges the documents that count: a later one goes over an earlier one, as in Spring.
    fn merge(self, whole: Place, parts: Vec<Part>) -> Read {
        let properties: Vec<_> = parts.iter().map(|part| &part.properties).collect();
        let mut read = Read {
            tree: Node::map(whole.clone()),
            profiles: Profiles::find(&properties, self.variables),
            properties: Node::map(whole),
        };
        let mut last_always = None;
        for part in parts {
            let standing = read.profiles.standing(&part.properties);
            let section = self.below_prefix(part.node);
            if section.is_none() && matches!(standing, Standing::Always | Standing::Holds) {
                self.tell_other_root(&part.properties);
            }
            if let Some(section) = section.as_ref() {
                self.tell(standing, section);
                if standing == Standing::Always && last_always.replace(part.rank) == Some(part.rank)
                {
                    let message = "stands in a second YAML document of the same file; write it into one, or \
                        under a profile (spring.config.activate.on-profile)";
                    self.report.problem(&section.place, self.prefix, message);
                }
            }
            if !matches!(standing, Standing::Always | Standing::Holds) {
                continue;
            }
            self.tell_others(&part.properties);
            // Others' sections may hold what they like.
            Merge::between_sources(&Report::default()).merge(
                "",
                &mut read.properties,
                part.properties,
            );
            if let Some(section) = section {
                if read.tree.entries().is_empty() {
                    read.tree.place = section.place.clone();
                }
                Merge::between_sources(self.report).merge(self.prefix, &mut read.tree, section);
            }
        }
        read
    }

    /// Says what becomes of our section in a document with a condition.
    fn tell(self, standing: Standing, section: &Node) {
        match standing {
            Standing::Always | Standing::Holds => {}
            Standing::Waits => self.report.left_alone(
                &section.place,
                self.prefix,
                "stands in a document for another profile or platform",
            ),
            Standing::Unclear => self.report.problem(
                &section.place,
                self.prefix,
                "stands in a document whose condition (spring.config.activate) is not understood",
            ),
        }
    }

    /// A document for the other root would have no effect, and nobody would notice.
    fn tell_other_root(self, document: &Node) {
        let is_ours = |entry: &Entry| entry.key == self.prefix;
        if !ROOTS.contains(&self.prefix) || document.entries().iter().any(is_ours) {
            return;
        }
        let is_other = |entry: &&Entry| ROOTS.contains(&entry.key.as_str());
        if let Some(other) = document.entries().iter().find(is_other) {
            let (ours, root) = (self.prefix, other.key.as_str());
            let message = format!(
                "would have no effect: this program reads `{ours}`; write all files and documents below one root, and start \
                 with that (`--config-prefix {root}`, in code `Loader::new(\"{root}\")`)"
            );
            self.report.problem(&other.place, &other.key, message);
        }
    }

    /// Says what stands beside our section.
    fn tell_others(self, document: &Node) {
        let ours = key_path::parse(self.prefix);
        let is_ours = |key: &str| ours.first() == Some(&Segment::Key(key.to_owned()));
        for entry in document.entries().iter().filter(|it| !is_ours(&it.key)) {
            let path = key_path::join("", &entry.key);
            self.report.left_alone(
                &entry.place,
                &path,
                "is of another program, and read only where a placeholder or a default names it",
            );
        }
    }

    /// What a document holds below the prefix, under the names that readers know.
    fn below_prefix(self, document: Node) -> Option<Node> {
        let section = below_prefix(self.prefix, document, self.report)?;
        let strangers = match self.prefix {
            OWN_PREFIX => Strangers::LeaveSections,
            _ => Strangers::LeaveAll,
        };
        let canonical = Canonical {
            report: self.report,
            strangers,
        };
        Some(canonical.section(self.prefix, section, self.keys, true))
    }
}

impl Part {
    fn new(node: Node, rank: usize) -> Self {
        // What is wrong with it is told where it is read.
        let properties = Merge::between_sources(&Report::default()).expand("", node.clone());
        Self {
            node,
            properties,
            rank,
        }
    }
}

fn below_prefix(prefix: &str, document: Node, report: &Report) -> Option<Node> {
    let path = key_path::parse(prefix);
    let is_ours = |key: &str| key_path::parse(key).first() == path.first();
    let Node { value, place } = document;
    let Value::Map(mut entries) = value else {
        if !matches!(value, Value::Null) {
            report.problem(&place, "", "must be a mapping of keys to values");
        }
        return None;
    };
    entries.retain(|entry| is_ours(&entry.key));
    let ours = Node {
        value: Value::Map(entries),
        place,
    };
    let mut node = Merge::within_one_source(report).expand("", ours);
    for segment in &path {
        node = node.take(segment)?;
    }
    if matches!(node.value, Value::Map(_)) {
        return Some(node);
    }
    report.problem(&node.place, prefix, "must be a mapping of keys to values");
    None
}

impl Document {
    /// What can be read once only is read now. If that fails, the next reading says why.
    pub(super) fn held(self) -> Self {
        let Self::File(path) = self else {
            return self;
        };
        let is_pipe = path
            .metadata()
            .is_ok_and(|found| !found.is_file() && !found.is_dir());
        let text = is_pipe.then(|| files::read_text(&path, MAX_SOURCE_BYTES));
        match text {
            Some(Ok(text)) => Self::Held {
                text: Secret::new(text.as_str()),
                path,
            },
            _ => Self::File(path),
        }
    }

    fn source(&self, rank: usize) -> Arc<Source> {
        match self {
            Self::File(path) | Self::Held { path, .. } => {
                let folder = path.parent().unwrap_or(Path::new(""));
                Source::yaml(path.display().to_string(), rank, folder.to_owned())
            }
            // Whoever writes one value must not learn others by naming them.
            Self::Text(text) if !text.below.is_empty() => Source::literal(text.name.clone(), rank),
            Self::Text(text) => Source::yaml(text.name.clone(), rank, PathBuf::new()),
        }
    }

    fn read(&self, source: &Arc<Source>, report: &Report) -> Result<Vec<Node>, (Place, String)> {
        let whole = || Place::whole(source);
        match self {
            Self::File(path) if path.extension().is_some_and(|it| it == "properties") => {
                let message = "is a `.properties` file, and files are YAML here: write its keys with `: ` in place of `=`";
                Err((whole(), message.to_owned()))
            }
            Self::File(path) => {
                let bytes = report.read_source(path, MAX_SOURCE_BYTES);
                let text = bytes.and_then(|bytes| files::text_of(&bytes));
                let text = text.map_err(|error| (whole(), error.to_string()))?;
                yaml::parse(source, &text)
            }
            Self::Text(YamlText { text, .. }) if text.expose().len() > MAX_SOURCE_BYTES => {
                Err((whole(), format!("is larger than {MAX_SOURCE_BYTES} bytes")))
            }
            Self::Text(YamlText { text, below, .. }) => {
                let nodes = yaml::parse(source, text.expose())?;
                placed(nodes, below, &whole())
            }
            Self::Held { text, .. } => yaml::parse(source, text.expose()),
        }
    }
}

/// What a text holds, as the value of the key `below`: the text itself cannot name another one.
fn placed(nodes: Vec<Node>, below: &[String], whole: &Place) -> Result<Vec<Node>, (Place, String)> {
    if below.is_empty() {
        return Ok(nodes);
    }
    if let Some(second) = nodes.get(1) {
        let message = "is a second YAML document, where one value is expected";
        return Err((second.place.clone(), message.to_owned()));
    }
    // In brackets, so that the dots of a name are its own.
    let path = below.iter().map(|name| Segment::Key(format!("[{name}]")));
    let path: Vec<_> = path.collect();
    let nest = |node| Node::nest(&path, whole, node);
    Ok(nodes.into_iter().map(nest).collect())
}
