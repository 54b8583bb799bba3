//! A folder of documents: a folder for each group, a file for each data id.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use hallpass::config::{MAX_SOURCE_BYTES, Secret, files};

use crate::output::Failure;

/// More files than this are a folder that was not meant.
const MAX_DOCUMENTS: usize = 10_000;

/// The documents of a folder, in the order of their names.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    documents: Vec<Document>,
}

/// The name of one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Document {
    pub(super) group: String,
    pub(super) data_id: String,
}

impl Folder {
    /// Looks into it; `group`: only into that folder of it. Files whose names begin with a dot do not count.
    pub(super) fn open(path: &Path, group: Option<&str>) -> Result<Self, Failure> {
        let mut documents = Vec::new();
        for (name, is_folder) in entries(path)? {
            if !is_folder || group.is_some_and(|group| group != name) {
                continue;
            }
            for (data_id, is_folder) in entries(&path.join(&name))? {
                if !is_folder {
                    let group = name.clone();
                    documents.push(checked(Document { group, data_id })?);
                }
            }
        }
        documents.sort();
        if documents.len() > MAX_DOCUMENTS {
            return Err(usage(path, "has more than 10000 documents"));
        }
        let path = path.to_owned();
        Ok(Self { path, documents })
    }

    /// Adds one that is not there yet: `GROUP/DATA-ID`.
    pub(super) fn add(&mut self, name: &str) -> Result<(), Failure> {
        let Some((group, data_id)) = name.split_once('/') else {
            return Err(Failure::usage("--data-id: must be GROUP/DATA-ID"));
        };
        let (group, data_id) = (group.to_owned(), data_id.to_owned());
        let document = checked(Document { group, data_id })?;
        if !self.documents.contains(&document) {
            self.documents.push(document);
        }
        Ok(())
    }

    pub(super) fn documents(&self) -> &[Document] {
        &self.documents
    }

    /// All of them; a folder without any is one that was not meant.
    pub(super) fn read(&self) -> Result<Vec<(Document, Secret)>, Failure> {
        if self.documents.is_empty() {
            let message =
                "has no documents; expected are files such as DEFAULT_GROUP/service-order.yaml";
            return Err(usage(&self.path, message));
        }
        let read = |document: &Document| {
            let path = self.file(document);
            let text = files::read_text(&path, MAX_SOURCE_BYTES);
            let text = text.map_err(|error| usage(&path, &error.to_string()))?;
            Ok((document.clone(), Secret::new(text.as_str())))
        };
        self.documents.iter().map(read).collect()
    }

    /// Replaces a file as a whole; `false` when it holds that already. It is for its owner alone, since documents hold
    /// secrets, unless it was there before with other rights.
    pub(super) fn write(&self, document: &Document, text: &Secret) -> Result<bool, Failure> {
        let path = self.file(document);
        let before = files::read_text(&path, MAX_SOURCE_BYTES);
        if before.is_ok_and(|before| before.as_str() == text.expose()) {
            return Ok(false);
        }
        let written = replace(&path, text.expose().as_bytes());
        let failed = |error| Failure::failed(format_args!("{}: {error}", path.display()));
        written.map(|()| true).map_err(failed)
    }

    fn file(&self, document: &Document) -> PathBuf {
        self.path.join(&document.group).join(&document.data_id)
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let partial = path.with_file_name(format!(".hallpass-{}.partial", std::process::id()));
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut file = options.open(&partial)?;
    let written = file.write_all(text).and_then(|()| file.sync_all());
    let rights = path.metadata().map(|before| before.permissions());
    if let Ok(rights) = rights {
        fs::set_permissions(&partial, rights)?;
    }
    let placed = written.and_then(|()| fs::rename(&partial, path));
    if placed.is_err() {
        let _none = fs::remove_file(&partial);
    }
    placed
}

/// Names, and whether each is a folder.
fn entries(path: &Path) -> Result<Vec<(String, bool)>, Failure> {
    let failed = |error: io::Error| usage(path, &error.to_string());
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let Ok(name) = entry.file_name().into_string() else {
            return Err(usage(path, "has a name that is not UTF-8"));
        };
        if !name.starts_with('.') {
            found.push((name, entry.path().is_dir()));
        }
    }
    Ok(found)
}

/// What Nacos takes, and no way out of the folder.
fn checked(document: Document) -> Result<Document, Failure> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
    for name in [&document.group, &document.data_id] {
        if name.is_empty() || name.starts_with('.') || !name.chars().all(is_allowed) {
            return Err(Failure::usage(format_args!(
                "`{}/{}` is no document: names consist of letters, digits, `-`, `_`, `.` and `:`",
                document.group.escape_debug(),
                document.data_id.escape_debug()
            )));
        }
    }
    Ok(document)
}

fn usage(path: &Path, message: &str) -> Failure {
    Failure::usage(format_args!("{}: {message}", path.display()))
}
