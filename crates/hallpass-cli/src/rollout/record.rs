//! The change record: one line of JSON for each change, and for what came of it. Lines are added, none is ever changed.

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::instances::Seen;
use super::step::Step;
use crate::output;

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Action {
    /// The next step is about to be written.
    Intend,
    /// The next step was written.
    Advance,
    /// An earlier one was written.
    Back,
    /// Instances were asked whether they are at the step.
    Confirm,
    /// The last step was watched to its end.
    Accept,
}

/// One line.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// RFC 3339, in UTC.
    pub(crate) at: String,
    pub(crate) by: String,
    pub(crate) action: Action,
    pub(crate) service: String,
    /// Where its configuration is kept.
    pub(crate) configuration: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<String>,
    pub(crate) to: String,
    /// Callers that were to be denied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) accepted: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) seen: Vec<Seen>,
}

impl Entry {
    /// Whether the configuration was written.
    pub(crate) const fn is_change(&self) -> bool {
        matches!(self.action, Action::Advance | Action::Back)
    }

    pub(crate) fn step(&self) -> Option<Step> {
        Step::shown(&self.to)
    }
}

/// The file that holds them.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    path: PathBuf,
}

impl Record {
    pub(crate) const fn new(path: PathBuf) -> Self {
        Self { path }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Those of a service, the oldest first; none when there is no file yet. A line that is none, cut off by a full disk say, is told
    /// and left out.
    ///
    /// # Errors
    /// Why the file cannot be read.
    pub(crate) fn of(&self, service: &str) -> Result<Vec<Entry>, String> {
        let (entries, odd) = self.read(service)?;
        for number in odd {
            let name = self.path.display();
            output::complain(&format!(
                "warning: {name}:{number}: is no line of a change record, and left out"
            ));
        }
        Ok(entries)
    }

    /// As many of them as can be read, without a word.
    pub(crate) fn readable(&self, service: &str) -> Vec<Entry> {
        self.read(service).map_or_else(|_| Vec::new(), |it| it.0)
    }

    /// And the numbers of the lines that are none, from 1.
    fn read(&self, service: &str) -> Result<(Vec<Entry>, Vec<usize>), String> {
        let (mut entries, mut odd) = (Vec::new(), Vec::new());
        let failed = |error: io::Error| format!("{}: {error}", self.path.display());
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((entries, odd)),
            Err(error) => return Err(failed(error)),
        };
        // Line by line: it grows with every change, and need not fit into memory.
        for (number, line) in BufReader::new(file).split(b'\n').enumerate() {
            let line = line.map_err(failed)?;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match serde_json::from_slice::<Entry>(&line) {
                Ok(entry) if entry.service == service => entries.push(entry),
                Ok(_) => {}
                Err(_) => odd.push(number + 1),
            }
        }
        Ok((entries, odd))
    }

    /// Opens it for a line more, before anything is done that has to stand in it.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn open(&self) -> Result<OpenRecord, String> {
        let open = || {
            if let Some(folder) = self.path.parent() {
                fs::create_dir_all(folder)?;
            }
            fs::OpenOptions::new()
                .create(true)
                .append(true)
                .read(true)
                .open(&self.path)
        };
        let file =
            open().map_err(|error: io::Error| format!("{}: {error}", self.path.display()))?;
        Ok(OpenRecord { file })
    }
}

/// It can be written.
#[derive(Debug)]
pub(crate) struct OpenRecord {
    file: File,
}

impl OpenRecord {
    /// Adds a line, which is on the disk then.
    ///
    /// # Errors
    /// What the operating system says.
    pub(crate) fn add(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        if !self.ends_a_line()? {
            line.insert(0, b'\n');
        }
        // In one piece, so that the lines of two processes do not mix.
        self.file.write_all(&line)?;
        self.file.sync_data()
    }

    /// Whether what is there ends where a line does: another one may have been cut off.
    fn ends_a_line(&self) -> io::Result<bool> {
        let length = self.file.metadata()?.len();
        let mut last = [b'\n'];
        if let Some(at) = length.checked_sub(1) {
            self.file.read_exact_at(&mut last, at)?;
        }
        Ok(last == *b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_added_and_one_that_was_cut_off_takes_no_other_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let record = Record::new(folder.path().join("ops/record.jsonl"));
        assert!(record.of("a").unwrap().is_empty(), "no file yet");
        let entry = |service: &str| Entry {
            at: "2027-01-15T08:00:00Z".to_owned(),
            by: "ann\n".to_owned(),
            action: Action::Back,
            service: service.to_owned(),
            configuration: "a.yaml".to_owned(),
            from: None,
            to: "enforce 10 %".to_owned(),
            accepted: Vec::new(),
            seen: vec![Seen::default()],
        };
        for service in ["a", "b", "a"] {
            record.open().unwrap().add(&entry(service)).unwrap();
        }
        let own = record.of("a").unwrap();
        assert_eq!(own.len(), 2);
        assert_eq!(own[0].step(), Some(Step::Enforce(10)));
        let text = fs::read_to_string(record.path()).unwrap();
        assert_eq!(text.lines().count(), 3);
        fs::write(record.path(), format!("{text}{{\"at\":\"cut off")).unwrap();
        record.open().unwrap().add(&entry("a")).unwrap();
        let (own, odd) = record.read("a").unwrap();
        assert_eq!(own.len(), 3, "what comes after a line that was cut off");
        assert_eq!(odd, [4]);
    }
}
