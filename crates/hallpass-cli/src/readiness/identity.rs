//! Which service an instance is, and which process.

use std::collections::BTreeSet;

use super::exposition::Sample;

/// Where it says so.
pub(super) const INFO: &str = "hallpass_verifier_info";

/// Empty for an instance of a version that does not say it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) audiences: BTreeSet<String>,
    /// Made up at each start.
    pub(crate) process: String,
}

impl Identity {
    pub(super) fn take(&mut self, sample: &Sample) {
        self.audiences.insert(sample.label("audience").to_owned());
        sample.label("process").clone_into(&mut self.process);
    }

    /// For whom it takes tokens.
    pub(crate) fn names(&self) -> String {
        let names: Vec<&str> = self.audiences.iter().map(String::as_str).collect();
        names.join(", ")
    }
}
