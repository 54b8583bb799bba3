//! Files and texts, read and merged.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files;
use crate::key_path;
use crate::merge::Merge;
use crate::node::{Node, Value};
use crate::place::{Place, Source};
use crate::report::Report;
use crate::secret::Secret;
use crate::yaml;

/// Largest YAML source, in bytes.
pub const MAX_SOURCE_BYTES: usize = 1024 * 1024;

/// A source in YAML.
#[derive(Clone, Debug)]
pub(super) enum Document {
    File(PathBuf),
    Text { name: String, text: Secret },
}

/// All documents as one tree of what stands below the prefix; `None` if one cannot be read.
pub(super) fn read(prefix: &str, documents: &[Document], report: &Report) -> Option<Node> {
    let mut tree = Node::map(Place::whole(&Source::literal(
        "configuration".to_owned(),
        0,
    )));
    let mut all_read = true;
    for (rank, document) in documents.iter().enumerate() {
        let source = document.source(rank);
        if rank == 0 {
            tree.place = Place::whole(&source);
        }
        match document.read(&source, report) {
            Ok(nodes) => merge_document(prefix, &mut tree, nodes, report),
            Err((place, message)) => {
                report.problem(&place, "", message);
                all_read = false;
            }
        }
    }
    all_read.then_some(tree)
}

/// Merges what one source holds below the prefix into `tree`.
fn merge_document(prefix: &str, tree: &mut Node, nodes: Vec<Node>, report: &Report) {
    let sections = nodes
        .into_iter()
        .filter_map(|node| below_prefix(prefix, node, report));
    for (index, section) in sections.enumerate() {
        if index > 0 {
            let message = "stands in a second YAML document of the same file; write it into one";
            report.problem(&section.place, prefix, message);
        }
        if tree.entries().is_empty() {
            tree.place = section.place.clone();
        }
        Merge::between_sources(report).merge(prefix, tree, section);
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
    fn source(&self, rank: usize) -> Arc<Source> {
        match self {
            Self::File(path) => {
                let folder = path.parent().unwrap_or(Path::new(""));
                Source::yaml(path.display().to_string(), rank, folder.to_owned())
            }
            Self::Text { name, .. } => Source::yaml(name.clone(), rank, PathBuf::new()),
        }
    }

    fn read(&self, source: &Arc<Source>, report: &Report) -> Result<Vec<Node>, (Place, String)> {
        let whole = || Place::whole(source);
        match self {
            Self::File(path) => {
                let bytes = report.read_source(path, MAX_SOURCE_BYTES);
                let text = bytes.and_then(|bytes| files::text_of(&bytes));
                let text = text.map_err(|error| (whole(), error.to_string()))?;
                yaml::parse(source, &text)
            }
            Self::Text { text, .. } if text.expose().len() > MAX_SOURCE_BYTES => {
                Err((whole(), format!("is larger than {MAX_SOURCE_BYTES} bytes")))
            }
            Self::Text { text, .. } => yaml::parse(source, text.expose()),
        }
    }
}
