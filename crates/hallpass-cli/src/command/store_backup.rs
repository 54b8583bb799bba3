//! `hallpass store backup`: a store in one sealed file.

use std::path::PathBuf;

use clap::Args;
use hallpass_issuer::backup_store;

use crate::command::store_check;
use crate::issuer_store::{IssuerStore, clock};
use crate::output::{self, Exit, Failure};
use crate::runtime;

/// Write all that the store holds into one sealed file
///
/// As it is at one moment, beside a running issuer or without one. The file opens with the key that seals the store: keep that apart from it.
/// What was read is held against its seals, as `hallpass store check` does: exit 65 when something is wrong, and the file is there all the same.
#[derive(Args, Debug)]
pub(crate) struct StoreBackup {
    /// The file, which must not be there yet (mode 0600).
    #[arg(value_name = "FILE")]
    to: PathBuf,
    #[command(flatten)]
    store: IssuerStore,
}

impl StoreBackup {
    pub(crate) fn run(&self) -> Result<Exit, Failure> {
        let (settings, clock) = (self.store.settings()?, clock());
        let written = runtime::block_on(backup_store(&settings, &clock, &self.to))?;
        let report = written.map_err(|error| Failure::issuer(&error))?;
        let mut lines = vec![format!("written    {}", self.to.display())];
        let problems = &report.contents.problems;
        lines.extend(problems.iter().map(|it| store_check::wrong(it)));
        output::print_line(&lines.join("\n"))?;
        Ok(match problems.is_empty() {
            true => Exit::Ok,
            false => Exit::NotValid,
        })
    }
}
