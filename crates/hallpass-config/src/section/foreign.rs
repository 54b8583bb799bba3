//! What other programs are told, in the words of ours.

use super::Section;
use crate::adopted::Adopted;
use crate::foreign::Foreign;
use crate::key_path;
use crate::report::Report;
use crate::trial::{Findings, How, Trial};

impl<'a> Section<'a> {
    /// What stands at the root of the documents, outside our prefix, below the keys of `path`: `["resilience4j", "circuitbreaker"]`. `None`
    /// if nothing does. An environment variable of the whole path counts although no file has the keys above it.
    ///
    /// A root that is asked for as a whole is no longer among what was [left alone](crate::Loaded::left_alone).
    ///
    /// # Errors
    /// What is wrong with a value is said where it is read: see [`Foreign`].
    #[must_use]
    pub fn foreign(&self, path: &[&str]) -> Option<Foreign<'a>> {
        let root = Foreign::root(self.report, self.references?)?;
        let found = root.variable(path).or_else(|| root.at(path))?;
        if let [root] = path {
            self.report.adopt(root);
        }
        Some(found)
    }

    /// The value of our own `key` as it stands there, for what is written in the words of another program. Nothing is checked, and what it
    /// holds is not shown as [in effect](crate::Loaded::effective).
    #[must_use]
    pub fn raw(&self, key: &str) -> Option<Foreign<'a>> {
        let (node, path) = (self.own(key)?, self.path_of(key));
        Some(Foreign::of_ours(self.report, self.references?, node, path))
    }

    /// The section `name` in the mapping `key`, as if nothing were written there: for a name that others know and our own section does
    /// not. It inherits nothing by itself.
    #[must_use]
    pub fn absent(&self, key: &str, name: &str) -> Self {
        let path = key_path::join(&self.path_of(key), name);
        self.child(key, path, &self.place, None)
    }

    /// A section of the same keys with the values of `adopted`, for [`inheriting`](Self::inheriting). A key that this section does not have is
    /// a problem, like in any other.
    #[must_use]
    pub fn adopted<'b>(&self, adopted: &'b Adopted) -> Section<'b>
    where
        'a: 'b,
    {
        let node = adopted.node();
        let mut section = Section::open(
            self.report,
            self.keys,
            self.path.clone(),
            &node.place,
            Some(node),
        );
        section.production = self.production;
        section.keyring = self.keyring;
        section.references = self.references;
        section
    }

    /// The same section, read within `trial`: what is wrong with it is said there alone.
    #[must_use]
    pub fn within<'b>(&self, trial: &'b Trial) -> Section<'b>
    where
        'a: 'b,
    {
        let mut section: Section<'b> = self.clone();
        section.say_to(trial.report());
        section
    }

    fn say_to(&mut self, report: &'a Report) {
        self.report = report;
        if let Some(parent) = &mut self.parent {
            parent.say_to(report);
        }
    }

    /// The key `found`; what is wrong with it is said where this section is read.
    #[must_use]
    pub fn hears(&self, found: &Foreign<'a>) -> Foreign<'a> {
        found.reporting_to(self.report)
    }

    /// Says what was found within a [`Trial`].
    pub fn say(&self, findings: Findings, how: How<'_>) {
        findings.say(self.report, how);
    }
}
